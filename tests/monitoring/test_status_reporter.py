"""What the learner's process writes down, of real parts."""

import dataclasses

import pytest
import reverb

from apex_tf import config as config_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import stalls
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import status_reporter
from apex_tf.replay import layout
from apex_tf.replay import monitor as monitor_lib
from apex_tf.reports import event_files
from tests import recorded_learning as recorded

_STEPS = 9


@pytest.fixture
def server(serve):
  return serve([reverb.Table(
      layout.TABLE, reverb.selectors.Prioritized(0.6), reverb.selectors.Fifo(),
      max_size=10, rate_limiter=reverb.rate_limiters.MinSize(1))])


def _report(learner_step):
  return dataclasses.asdict(
      status_lib.ActorReport(incarnation='a', learner_step=learner_step))


def test_what_actors_did_before_a_restart_of_the_learner_is_no_rate(
    tmp_path, server):
  config = config_lib.Config()
  run = recorded.make_run(tmp_path / 'checkpoints', 'dqn',
                          recorded.make_batches('dqn', range(1)))
  run.coordinator.set_state({
      'wall_seconds': 100.0, 'learning_seconds': 90.0, 'learner_steps': 5,
      'evaluations': [], 'reports': {'0': [
          {**_report(2), 'agent_steps': 1000, 'environment_frames': 4000}]}})
  directory = run_directory.RunDirectory(str(tmp_path / 'run'))
  reporter = status_reporter.StatusReporter(
      config, directory, run.coordinator, run.learner,
      monitor_lib.ReplayMonitor(
          [reverb.Client(f'localhost:{server.port}')], config.replay))

  def rates():
    assert reporter.write()
    status = directory.read_status()
    assert status is not None
    return [status.rates[name]
            for name in ('agent_steps_per_second', 'frames_per_second')]

  def report(index, agent_steps):
    run.coordinator.report_actor(index, {
        **_report(2), 'agent_steps': agent_steps,
        'environment_frames': 4 * agent_steps})

  assert rates() == [0, 0]
  report(0, 901_000)
  assert rates() == [0, 0]
  report(1, 800_000)
  assert rates() == [0, 0]
  report(0, 901_001)
  report(1, 800_002)
  steps, frames = rates()
  assert 0 < steps < 1e6  # Of three steps; of all it would be 1e8.
  assert frames == pytest.approx(4 * steps, rel=0.5)
  reporter.close()


def test_an_actor_that_has_left_has_no_old_policy(tmp_path, server):
  config = config_lib.Config()
  config.run.metrics_period_seconds = 1e-9
  clock = recorded.Clock()
  directory = run_directory.RunDirectory(str(tmp_path / 'run'))
  run = recorded.make_run(tmp_path / 'checkpoints', 'dqn',
                          recorded.make_batches('dqn', range(_STEPS)))
  run.step(_STEPS)
  watch = stalls.StallWatch(2, clock=clock)
  reporter = status_reporter.StatusReporter(
      config, directory, run.coordinator, run.learner,
      monitor_lib.ReplayMonitor(
          [reverb.Client(f'localhost:{server.port}')], config.replay), watch)

  for index, learner_step in enumerate((2, 8)):
    run.coordinator.report_actor(index, _report(learner_step))
    watch.heard(f'actor_{index}')
  assert reporter.write()
  for _ in range(20):
    clock.now += 1.0
    watch.heard('actor_1')
    assert reporter.write()
  clock.now += 1.0
  watch.heard('actor_0')
  assert reporter.write()
  reporter.close()
  series = event_files.read_role(
      directory.tensorboard_directory('learner')).series
  ages = series['policy_age_steps'].values.tolist()
  there = series['reporting_actors'].values.tolist()
  # Silent for ten seconds, it is not there.
  assert ages[:10] == [_STEPS - 2] * 10 and there[:10] == [2] * 10
  assert ages[10:21] == [_STEPS - 8] * 11 and there[10:21] == [1] * 11
  assert ages[21:] == [_STEPS - 2] * 2 and there[21:] == [2] * 2
  status = directory.read_status()
  assert status is not None
  assert status.reporting_actors == 2 and set(status.actors) == {'0', '1'}
