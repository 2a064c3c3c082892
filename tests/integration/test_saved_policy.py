"""The policy that a run leaves, whichever way it ends."""

import os
import signal

import numpy as np
import pytest

from apex_tf import saved_policy
from apex_tf import serial as serial_lib
from apex_tf.monitoring import opening
from tests.integration import programs

_NAMES = ['learner_step', 'policy']


def _saved(workdir):
  return saved_policy.SavedPolicy(str(workdir / 'policy.npz'))


def test_processes_leave_the_last_published_policy(finished_run):
  assert finished_run.ended.code == 0, finished_run.ended.err
  summary = programs.read_json(finished_run.workdir / 'summary.json')
  assert _saved(finished_run.workdir).learner_step == (
      summary['evaluated_version']) == programs.FINISHED_STEPS


def test_interrupted_processes_leave_a_policy(launch):
  program = launch('--config.learner.publish_period=1')
  program.wait_until(lambda: program.phase() == 'learning')
  program.press_ctrl_c()
  ended = program.wait()
  assert ended.code == 0, ended.err
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'interrupted'
  assert _saved(program.workdir).learner_step > 0


class _Console:
  """Sees a serial run once a second; may end it."""

  def __init__(self, see):
    self._see = see

  def update(self):
    self._see()

  def close(self):
    pass


def _serial_config():
  from configs import cartpole
  config = cartpole.get_config()
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  config.replay.min_size = 100
  config.replay.capacity = 1000
  config.learner.batch_size = 8
  config.learner.publish_period = 10
  config.evaluator.period_seconds = 1000.0
  config.run.target_return = np.inf
  config.validate()
  return config


@pytest.mark.parametrize('period', [0.0, 1000.0], ids=['killed', 'interrupted'])
def test_serial_run(tmp_path, monkeypatch, period):
  """Saved now and then, for a run that is killed; and when interrupted."""
  monkeypatch.setattr(saved_policy, 'SAVE_PERIOD_SECONDS', period)
  directory = opening.prepare(str(tmp_path / 'run'), 'auto')
  learner_steps = []

  def see():
    status = directory.read_status()
    learner_steps.append(status.learner_steps)
    if os.path.exists(directory.policy_file) if not period else (
        status.learner_steps > 10):
      # What is there now is what a killed run leaves.
      assert os.path.exists(directory.policy_file) == (not period)
      os.kill(os.getpid(), signal.SIGINT)
    assert len(learner_steps) < 200

  serial_lib.run(_serial_config(), directory, _Console(see))
  step, values = saved_policy.SavedPolicy(
      directory.policy_file).get_variables(_NAMES)
  assert step > 0 and step % 10 == 0
  assert all(np.isfinite(value).all() for value in values)
