"""The whole program, ended or killed, and then the same command again."""

import os
import pathlib
import re
import signal

import psutil

from tests.faults import checkpoints
from tests.integration import programs

_LIMIT = '--config.run.max_learner_steps='


def _checkpointed_steps(workdir: pathlib.Path) -> int:
  """Learner steps of the newest checkpoint; 0 without one."""
  # The program's own search would tidy up under a learner that is saving.
  found = checkpoints.Checkpoints(workdir / 'checkpoints' / 'learner').newest()
  return found.number if found else 0


def _steps(workdir: pathlib.Path, role: str, metric: str):
  return [step for step, _ in programs.read_points(workdir, role)[metric]]


def test_a_run_that_has_ended_goes_on_to_another_limit(launch, tmp_path):
  workdir = tmp_path / 'run'
  program = launch(_LIMIT + '200')
  code, _, err = program.wait()
  assert code == 0, err
  first = programs.read_json(workdir / 'summary.json')
  assert first['learner_steps'] == _checkpointed_steps(workdir) == 200
  counted = programs.read_json(
      workdir / 'checkpoints/learner/000000000200/state.json')['coordinator']
  events = {path: path.read_bytes()
            for path in (workdir / 'tensorboard').rglob('events*')}
  learner_log = (workdir / 'logs/learner/0').read_text()

  # Another experiment is refused by name, and everything is left as it is.
  code, out, err = launch(_LIMIT + '400', '--config.agent.n_step=5').wait()
  assert (code, out) == (2, '')
  assert err == (
      f'train.py: agent.n_step is 5, but must be 10, as in the run of '
      f'--workdir={workdir}, or the run be started afresh with '
      '--resume=never\n')
  assert programs.read_json(workdir / 'summary.json') == first

  # Another limit, and another number of actors, is the same one.
  program = launch(_LIMIT + '400', '--config.actor.num_actors=2',
                   '--resume=must')
  code, out, err = program.wait()
  assert code == 0, err
  lines = out.splitlines()
  assert re.fullmatch(
      rf'Resuming {workdir} from learner step 200 of .* ago; replay is empty: '
      'the restored policy fills it to 100 transitions before learning goes '
      'on', lines[0])
  assert lines[1].startswith('Replay: about ')
  assert lines[2].startswith(('CartPole-v1', 'starting ', 'filling')), lines[2]
  second = programs.read_json(workdir / 'summary.json')
  assert second['learner_steps'] == second['evaluated_version'] == 400
  assert second['final_evaluation_complete'] is True
  for count in ('agent_steps', 'episodes'):
    assert second[count] > first[count] > 0, count
  # What came after the last checkpoint, the end of the processes, is not in all
  # of it.
  for count in ('wall_seconds', 'learning_seconds'):
    assert second[count] > counted[count] > 0, count
  config = programs.read_json(workdir / 'config.json')
  assert config['run']['max_learner_steps'] == 400
  assert config['actor']['num_actors'] == 2

  # Nothing of the first launch is lost.
  for path, content in events.items():
    assert path.read_bytes() == content
  previous = workdir / 'logs' / 'previous_1'
  assert (previous / 'learner/0').read_text() == learner_log
  assert programs.read_json(previous / 'summary.json') == first
  assert programs.read_json(
      previous / 'config.json')['run']['max_learner_steps'] == 200
  steps = _steps(workdir, 'evaluator', 'evaluation_return_mean')
  assert 200 in steps and 400 in steps
  learner_steps = _steps(workdir, 'learner', 'learner_steps')
  assert min(learner_steps) <= 200 < max(learner_steps)
  assert not program.survivors()
  assert not [p for p in workdir.rglob('.*') if p.is_file()]


def test_every_process_killed_at_once_and_the_same_command_again(
    launch, tmp_path):
  workdir = tmp_path / 'run'
  command = (_LIMIT + '4000', '--config.learner.checkpoint_minutes=0.02')
  program = launch(*command)
  program.wait_until(lambda: _checkpointed_steps(workdir) > 50)
  kept = _checkpointed_steps(workdir)
  processes = [
      process.pid for process in psutil.process_iter()
      if _session(process.pid) == program.pid and _is_alive(process)]
  assert len(processes) >= 5
  for pid in processes:
    try:
      os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
      pass  # With its parent.
  assert program.wait().code == -signal.SIGKILL
  kept = max(kept, _checkpointed_steps(workdir))
  assert not (workdir / 'summary.json').exists()

  program = launch(*command)
  seen = []

  def watch():
    # Until then the status is still that of the killed launch.
    resumed = (workdir / 'logs/previous_1/roles').exists()
    if resumed and program.phase() == 'learning':
      seen.append(programs.read_json(
          workdir / 'status.json')['learner_steps'])
    return seen and seen[-1] > kept

  program.wait_until(watch)
  assert min(seen) >= kept  # Never back beyond the checkpoint.
  program.terminate()
  code, out, err = program.wait()
  assert code == 0, err
  assert out.startswith(f'Resuming {workdir} from learner step {kept:,} of ')
  summary = programs.read_json(workdir / 'summary.json')
  assert summary['stop_reason'] == 'interrupted'
  assert summary['learner_steps'] >= seen[-1]
  assert not program.survivors()
  assert not list(workdir.glob('.*'))


def _session(pid: int) -> int:
  try:
    return os.getsid(pid)
  except ProcessLookupError:
    return -1


def _is_alive(process: psutil.Process) -> bool:
  try:
    return process.status() != psutil.STATUS_ZOMBIE
  except psutil.NoSuchProcess:
    return False
