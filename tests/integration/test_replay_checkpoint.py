"""Replay of a real program, killed or stopped, goes on with what it held."""

import os
import pathlib
import re
import signal
from typing import Optional

from apex_tf.monitoring import run_directory
from tests.faults import checkpoints
from tests.integration import programs

_CHECKPOINTS = '--config.replay.checkpoint_minutes=0.03'
# Transitions that may come in between a count and the checkpoint.
_FEW = 200


_NONE = checkpoints.ReplayCounts(0, 0)


def _newest(workdir: pathlib.Path) -> Optional[checkpoints.Checkpoint]:
  # Which, unlike the program's own search, tidies nothing up under it.
  return checkpoints.Checkpoints(workdir / 'checkpoints' / 'replay').newest()


def _saved(workdir: pathlib.Path) -> checkpoints.ReplayCounts:
  """Of the newest checkpoint, from Reverb's own file."""
  found = _newest(workdir)
  try:
    return checkpoints.read_replay_counts(found) if found else _NONE
  except OSError:  # The next has taken its place.
    return _NONE


def _restored(workdir: pathlib.Path):
  """What replay says it has restored, in order."""
  return [checkpoints.ReplayCounts(*map(int, n)) for n in re.findall(
      r'Restored (\d+) transitions of replay, of (\d+) ever inserted, from ',
      (workdir / 'logs/replay/0').read_text())]


def test_killed_and_stopped(launch, tmp_path):
  workdir = tmp_path / 'run'
  program = launch(_CHECKPOINTS)
  program.wait_until(lambda: program.phase() == 'learning')
  program.wait_until(lambda: _saved(workdir).items > 200)
  killed = program.role_pid('replay')
  os.kill(killed, signal.SIGSTOP)  # No checkpoint comes in between.
  saved = _saved(workdir)
  os.kill(killed, signal.SIGKILL)
  program.wait_until(lambda: _restored(workdir))
  assert _restored(workdir) == [saved]
  directory = run_directory.RunDirectory(str(workdir))
  steps = directory.read_status().learner_steps
  program.wait_until(
      lambda: directory.read_status().learner_steps > steps + 50)
  # By now the status is of the new server, which counts on.
  program.wait_until(
      lambda: directory.read_status().replay.inserts > saved.inserts)
  assert 'Replay is empty' not in (workdir / 'logs/replay/0').read_text(
      ).split('killed by SIGKILL')[1]

  inserts = directory.read_status().replay.inserts
  program.terminate()
  code, out, err = program.wait()
  assert code == 0, err
  assert 'Replay checkpoints: up to ' in out
  saved = _saved(workdir)
  assert saved.items == 1000 or saved.inserts < 1000
  # The last status may be of after it, since the learner stops for itself.
  assert saved.inserts >= inserts
  found = _newest(workdir)
  # Counted just before Reverb writes them, while actors may still insert.
  counted = programs.read_json(found.path / 'replay.json')['items']
  print(f'{saved.items} transitions are saved, {counted} were counted')
  assert 0 <= saved.items - counted <= _FEW

  steps = programs.read_json(workdir / 'summary.json')['learner_steps']
  program = launch(
      _CHECKPOINTS, f'--config.run.max_learner_steps={steps + 50}')
  code, out, err = program.wait()
  assert code == 0, err
  assert re.match(
      rf'Resuming {workdir} from learner step {steps:,} of .* ago; replay has '
      rf'the {counted:,} transitions of .* ago\n', out)
  assert _restored(workdir) == [saved]
  assert programs.read_json(
      workdir / 'summary.json')['learner_steps'] == steps + 50
  assert not program.survivors()
  assert sorted(os.listdir(workdir / 'checkpoints')) == ['learner', 'replay']
  assert len(os.listdir(workdir / 'checkpoints' / 'replay')) == 1


def test_serial(launch, tmp_path):
  workdir = tmp_path / 'run'
  flags = ('--serial', _CHECKPOINTS, '--config.replay.min_size=500')
  code, _, err = launch(*flags, '--config.run.max_learner_steps=50').wait()
  assert code == 0, err
  first = programs.read_json(workdir / 'summary.json')
  assert first['agent_steps'] >= 500
  saved = _saved(workdir).items
  assert saved >= 500
  code, out, err = launch(*flags, '--config.run.max_learner_steps=100').wait()
  assert code == 0, err
  assert f'replay has the {saved:,} transitions of ' in out
  second = programs.read_json(workdir / 'summary.json')
  assert second['learner_steps'] == 100
  # Replay did not have to be filled once more.
  assert second['agent_steps'] - first['agent_steps'] < 500
