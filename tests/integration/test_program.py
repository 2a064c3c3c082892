"""The whole program: as processes, as threads, its ends and its failures."""

import os
import pathlib
import signal
import time

from absl import flags
from launchpad.launch.test_multi_threading import launch as test_mt
import matplotlib.image
import pytest

from apex_tf import config as config_lib
from apex_tf import launching
from apex_tf import program as program_lib
from apex_tf.monitoring import opening
from apex_tf.monitoring import run_directory
from configs import cartpole
from tests.integration import programs

# The issue says 10 seconds; the rest is for a machine with other things to do,
# where a node that starts, or is to write a checkpoint, is given this long.
_END_SECONDS = 60.0 + launching.Grace.for_checkpoints(None).saving_seconds

_ROLES = ('replay', 'learner', 'actor_0', 'actor_1', 'evaluator')


def test_ends_by_itself_with_exit_code_0(finished_run):
  code, out, err = finished_run.ended
  assert code == 0, err
  assert programs.without_waiting(err) == ''
  lines = out.splitlines()
  assert lines[0] == ('Replay: about 1 MB when full (1,000 transitions of '
                      '1.3 kB)')
  assert lines[1].startswith('starting ')
  assert 'CartPole-v1: final return ' in lines[-3]
  assert lines[-3].endswith('s') and 'stopped by max_learner_steps' in lines[-3]
  assert lines[-2].endswith(str(finished_run.workdir / 'learning_curve.png'))
  assert lines[-1].endswith(str(finished_run.workdir / 'tensorboard'))


def test_no_process_is_left(finished_run):
  assert not finished_run.program.survivors()


def test_summary(finished_run):
  summary = programs.read_json(finished_run.workdir / 'summary.json')
  assert summary['stop_reason'] == 'max_learner_steps'
  assert summary['learner_steps'] == programs.FINISHED_STEPS
  # The last published version.
  assert summary['evaluated_version'] == programs.FINISHED_STEPS
  assert summary['final_evaluation_complete'] is True
  assert summary['evaluation_episodes'] == 2
  assert 8 <= summary['final_return_mean'] <= 500
  assert summary['final_return_std'] >= 0
  # At least the items of the first batch; 8 samples each afterwards.
  assert summary['agent_steps'] >= 100
  assert summary['environment_frames'] == summary['agent_steps']
  assert 0 < summary['episodes'] <= summary['agent_steps'] / 8
  assert 0 < summary['learning_seconds'] < summary['wall_seconds']
  assert summary['learner_steps_per_second'] == pytest.approx(
      programs.FINISHED_STEPS / summary['learning_seconds'])
  assert summary['samples_per_second'] == pytest.approx(
      8 * programs.FINISHED_STEPS / summary['learning_seconds'])
  assert summary['agent_steps_per_second'] == pytest.approx(
      summary['agent_steps'] / summary['wall_seconds'])
  assert summary['frames_per_second'] == summary['agent_steps_per_second']
  assert (summary['task'], summary['agent'], summary['seed']) == (
      'CartPole-v1', 'dqn', 3)
  assert summary['human_normalized_score'] is None
  assert summary['versions']['dm-reverb'] == '0.7.3'


def test_configuration_is_saved_as_it_was_resolved(finished_run):
  expected = cartpole.get_config()
  expected.dqn.hidden_sizes = (16,)
  expected.dqn.dueling_hidden_size = 16
  expected.dpg.policy_hidden_sizes = (16,)
  expected.dpg.critic_hidden_sizes = (16,)
  expected.replay.min_size = 100
  expected.replay.capacity = 1000
  expected.learner.batch_size = 8
  expected.learner.publish_period = 10
  expected.actor.num_actors = 2
  expected.actor.environments_per_actor = 2
  expected.evaluator.episodes = 2
  expected.evaluator.max_seconds = 20.0
  expected.evaluator.period_seconds = 1.0
  expected.run.seed = 3
  expected.run.max_learner_steps = programs.FINISHED_STEPS
  expected.run.target_return = float('inf')
  expected.run.max_minutes = float('inf')
  expected.run.metrics_period_seconds = 0.5
  text = (finished_run.workdir / 'config.json').read_text()
  assert config_lib.Config.from_json(text) == expected


def test_learning_curve_is_a_picture(finished_run):
  picture = matplotlib.image.imread(
      finished_run.workdir / 'learning_curve.png')
  assert picture.shape[0] > 200 and picture.shape[1] > 200
  assert picture.std() > 0.01


def test_each_node_has_its_log(finished_run):
  logs = finished_run.workdir / 'logs'
  assert {str(path.relative_to(logs)) for path in logs.rglob('*')
          if path.is_file()} == {
              'launcher', 'replay/0', 'learner/0', 'actor/0', 'actor/1',
              'evaluator/0'}
  for path in logs.rglob('*/*'):
    assert 'Traceback' not in path.read_text(), path


def test_each_role_has_stopped_as_it_should(finished_run):
  records = run_directory.RunDirectory(
      str(finished_run.workdir)).read_roles()
  assert {role: record.state for role, record in records.items()} == {
      role: 'stopped' for role in (*_ROLES, 'launcher')}
  assert len({record.pid for record in records.values()}) == len(records)


@pytest.mark.parametrize('role', _ROLES)
def test_every_metric_is_in_tensorboard(finished_run, role):
  points = programs.read_points(finished_run.workdir, role)
  assert set(points) == programs.metrics_of(role, 'dqn')
  for name, series in points.items():
    steps = [step for step, _ in series]
    assert steps == sorted(steps), name
    assert all(value == value for _, value in series), name  # None is NaN.


def test_metrics_agree_with_the_summary(finished_run):
  summary = programs.read_json(finished_run.workdir / 'summary.json')
  learner = programs.read_points(finished_run.workdir, 'learner')
  for name in ('learner_steps', 'agent_steps', 'episodes'):
    values = [value for _, value in learner[name]]
    assert values == sorted(values)
    assert values[-1] <= summary[name]
  assert [step for step, _ in learner['loss']] == [
      value for _, value in learner['learner_steps']]
  evaluator = programs.read_points(finished_run.workdir, 'evaluator')
  assert evaluator['evaluation_return_mean'][-1] == (
      programs.FINISHED_STEPS, pytest.approx(summary['final_return_mean']))
  # The ladder over four environments: 0.4^(1 + 7 i / 3).
  for actor, (low, high) in enumerate([(0.4**(10 / 3), 0.4),
                                       (0.4**8, 0.4**(17 / 3))]):
    points = programs.read_points(finished_run.workdir, f'actor_{actor}')
    assert points['epsilon_min'][-1][1] == pytest.approx(low, rel=1e-5)
    assert points['epsilon_max'][-1][1] == pytest.approx(high, rel=1e-5)
  replay = programs.read_points(finished_run.workdir, 'replay')
  assert replay['replay_size'][-1][1] <= 1000
  sizes = [size for _, size in replay['replay_size']]
  assert max(sizes) >= 100


def test_max_agent_steps_in_threads(launch):
  program = launch('--lp_launch_type=local_mt',
                   '--config.run.max_agent_steps=600')
  code, _, err = program.wait()
  assert code == 0, err
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'max_agent_steps'
  assert summary['agent_steps'] >= 600
  assert summary['final_evaluation_complete'] is True
  assert not program.survivors()


def test_target_return_in_threads(launch):
  # No episode of CartPole is shorter than 8 steps.
  program = launch('--lp_launch_type=local_mt',
                   '--config.run.target_return=8')
  code, _, err = program.wait()
  assert code == 0, err
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'target_return'
  assert summary['final_return_mean'] >= 8
  # The policy that reached the target is the result, measured once more.
  *_, first, second, final = programs.read_json(
      program.workdir / 'status.json')['evaluations']
  assert [each['final'] for each in (first, second, final)] == [
      False, False, True]
  assert first['mean'] >= 8 and second['mean'] >= 8
  assert (first['learner_step'] == second['learner_step'] ==
          final['learner_step'])
  assert first['agent_steps'] == second['agent_steps']
  assert summary['evaluated_version'] == final['learner_step']
  assert not program.survivors()


def test_max_minutes_in_threads(launch):
  program = launch('--lp_launch_type=local_mt',
                   '--config.run.max_minutes=0.05')
  code, _, err = program.wait()
  assert code == 0, err
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'max_minutes'
  assert summary['wall_seconds'] >= 3.0


def _parsed_flags():
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(['test'])


def test_graph_under_launchpads_test_mt(tmp_path):
  _parsed_flags()
  config = cartpole.get_config()
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  config.replay.min_size = 100
  config.replay.capacity = 1000
  config.learner.batch_size = 8
  config.actor.environments_per_actor = 2
  config.evaluator.episodes = 2
  config.run = config_lib.RunConfig(max_learner_steps=60)
  directory = opening.prepare(str(tmp_path / 'run'), 'auto')
  program = program_lib.make_program(config, directory.path)
  assert {label: len(nodes) for label, nodes in program.groups.items()} == {
      'replay': 1, 'learner': 1, 'actor': 2, 'evaluator': 1}
  manager = test_mt.launch(program)
  try:
    # All but replay end by themselves.
    manager.wait(['learner', 'actor', 'evaluator'])
  finally:
    manager.cleanup_after_test(None)
  status = directory.read_status()
  assert (status.phase, status.stop_reason, status.learner_steps) == (
      'done', 'max_learner_steps', 60)
  assert status.evaluations[-1].learner_step == 60
  assert {role: record.state for role, record in
          directory.read_roles().items()} == {
              role: 'stopped' for role in _ROLES}


def _assert_interrupted(program, since):
  code, out, err = program.wait()
  seconds = time.monotonic() - since
  assert code == 0, err
  assert seconds < _END_SECONDS
  assert not program.survivors()
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'interrupted'
  assert 'interrupted after' in out
  assert (program.workdir / 'learning_curve.png').exists()
  return summary


@pytest.mark.parametrize('interrupt', ['press_ctrl_c', 'terminate'])
def test_interrupted_while_learning(launch, interrupt):
  program = launch()
  program.wait_until(lambda: program.phase() == 'learning')
  getattr(program, interrupt)()
  summary = _assert_interrupted(program, time.monotonic())
  # Every role stopped by itself, and the learner wrote down its last step.
  roles = run_directory.RunDirectory(str(program.workdir)).read_roles()
  assert {record.state for record in roles.values()} == {'stopped'}
  log = (program.workdir / 'logs' / 'learner' / '0').read_text()
  assert f'over after {summary["learner_steps"]} steps' in log


@pytest.mark.parametrize('interrupt', ['press_ctrl_c', 'terminate'])
def test_interrupted_right_after_the_launch(launch, interrupt):
  program = launch()
  program.wait_until((program.workdir / 'logs' / 'launcher').exists)
  time.sleep(0.5)
  getattr(program, interrupt)()
  summary = _assert_interrupted(program, time.monotonic())
  assert summary['learner_steps'] == 0
  assert summary['final_return_mean'] is None


def test_interrupted_while_tensorflow_is_imported(launch):
  program = launch()
  program.wait_until(lambda: program.has_started('evaluator'))
  program.press_ctrl_c()
  _assert_interrupted(program, time.monotonic())


def test_killed_actor_without_restarts(launch):
  program = launch('--config.run.max_restarts=0')
  program.wait_until(lambda: program.phase() == 'learning')
  os.kill(program.role_pid('actor_0'), signal.SIGKILL)
  code, out, err = program.wait()
  assert code not in (0, 2)
  log_file = program.workdir / 'logs' / 'actor' / '0'
  assert err.splitlines()[-1] == (
      f'actor_0 failed: killed by SIGKILL (log: {log_file})')
  assert log_file.exists()
  assert not program.survivors()
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'failed'
  assert summary['learner_steps'] > 0
  assert 'failed after' in out


_BURNING = '''
"""A task that works for a while."""

import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class Burning(CartPoleEnv):

  def __init__(self):
    super().__init__()
    self._calls = 0

  def step(self, action):
    self._calls += 1
    if self._calls > 60:
      raise RuntimeError('the emulator is\\non fire')
    return super().step(action)


gymnasium.register('Burning-v0', entry_point=Burning)
'''


@pytest.mark.parametrize('launch_type', launching.LAUNCH_TYPES)
def test_actor_that_raises(launch, tmp_path: pathlib.Path, launch_type):
  (tmp_path / 'burning_task.py').write_text(_BURNING)
  program = launch(
      f'--lp_launch_type={launch_type}',
      '--config.environment.id=burning_task:Burning-v0',
      # Before the evaluator plays, which would burn as well.
      '--config.replay.min_size=1000', '--config.run.max_restarts=0',
      python_path=str(tmp_path))
  code, _, err = program.wait()
  assert code not in (0, 2)
  log_file = program.workdir / 'logs' / 'actor' / '0'
  assert err.splitlines()[-1] == (
      f'actor_0 failed: RuntimeError: the emulator is on fire (log: '
      f'{log_file})')
  assert not program.survivors()
  assert 'on fire' in log_file.read_text()
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'failed'
