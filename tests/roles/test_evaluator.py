"""The evaluator's role against a learner's counts, over real Courier."""

import contextlib
import math
import threading
import time

import courier
import pytest

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import leases
from apex_tf import variables as variables_lib
from apex_tf.monitoring import opening
from apex_tf.monitoring import status as status_lib
from apex_tf.roles import evaluator as evaluator_role
from configs import cartpole


def _config():
  config = cartpole.get_config()
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  config.evaluator.episodes = 2
  config.run = config_lib.RunConfig(max_learner_steps=10)
  config.validate()
  return config


def _learned(config):
  """The counts of a learner that waits for its final evaluation."""
  coordinator = coordinator_lib.Coordinator(config.run)
  coordinator.report_learner(10)
  coordinator.begin_final_evaluation()
  assert coordinator.get_phase() == status_lib.FINAL_EVALUATION
  return coordinator


@contextlib.contextmanager
def _evaluator(config, directory, publisher, get_coordinator,
               report_evaluation):
  """The role in a thread that ends with the block, against this learner."""
  server = courier.Server()
  server.Bind('join', lambda *_: {'refused': '', 'held_by': ''})
  server.Bind('leave', lambda *_: None)
  server.Bind('get_phase', lambda *_: get_coordinator().get_phase())
  server.Bind('get_counts', lambda: get_coordinator().get_counts())
  server.Bind('get_and_keep_variables', publisher.get_and_keep_variables)
  server.Bind('report_evaluation', report_evaluation)
  server.Start()
  stop = threading.Event()
  thread = threading.Thread(target=evaluator_role.run_evaluator, args=(
      config, opening.prepare(str(directory), 'auto'),
      f'localhost:{server.port}', stop), daemon=True)
  thread.start()
  try:
    yield thread
  finally:
    stop.set()
    thread.join()
    server.Stop()


def test_a_learner_that_died_after_the_final_evaluation_is_told_again(
    tmp_path):
  config = _config()
  builder = builder_lib.Builder(config)
  publisher = variables_lib.VariablePublisher(
      builder.make_behavior_policy(0).variables)
  first, second = _learned(config), _learned(config)
  coordinators = [first, second]

  def report_evaluation(evaluation):
    told = coordinators[0]
    told.report_evaluation(evaluation)
    if told is first:
      coordinators.pop(0)  # It dies, and goes on from before.
    return coordinators[0].get_phase()

  with _evaluator(config, tmp_path / 'run', publisher, lambda: coordinators[0],
                  report_evaluation) as thread:
    thread.join(120.0)
    ended_by_itself = not thread.is_alive()
  assert ended_by_itself
  assert coordinators == [second]
  for coordinator in (first, second):
    evaluation, = coordinator.status().evaluations
    assert evaluation.final and len(evaluation.returns) == 2


def test_a_version_that_reaches_the_target_is_measured_again(tmp_path):
  config = _config()
  config.run = config_lib.RunConfig(target_return=1.0)  # Any episode does.
  config.evaluator.period_seconds = 0.01
  coordinator = coordinator_lib.Coordinator(config.run)
  coordinator.report_learner(1)
  publisher = variables_lib.VariablePublisher(
      builder_lib.Builder(config).make_behavior_policy(0).variables)

  def report_evaluation(evaluation):
    phase = coordinator.report_evaluation(evaluation)
    publisher.publish(1 + publisher.published_version)  # The learner goes on.
    return phase

  with _evaluator(config, tmp_path / 'run', publisher, lambda: coordinator,
                  report_evaluation):
    deadline = time.monotonic() + 120.0
    while not coordinator.reached_target and time.monotonic() < deadline:
      time.sleep(0.05)
  first, second = coordinator.status().evaluations
  assert first.learner_step == second.learner_step
  assert first.wall_seconds < second.wall_seconds
  assert coordinator.get_phase() == status_lib.STOPPING


def test_a_version_is_measured_once(tmp_path, wait_until):
  config = _config()
  config.evaluator.period_seconds = 0.01
  coordinator = coordinator_lib.Coordinator(config.run)
  coordinator.report_learner(1)
  publisher = variables_lib.VariablePublisher(
      builder_lib.Builder(config).make_behavior_policy(0).variables)
  asked = []

  def get_coordinator():
    asked.append(len(coordinator.status().evaluations))
    return coordinator

  with _evaluator(config, tmp_path / 'run', publisher, get_coordinator,
                  coordinator.report_evaluation):
    wait_until(lambda: asked.count(1) > 20)
    publisher.publish(5)
    wait_until(lambda: asked.count(2) > 20)
  assert [evaluation.learner_step
          for evaluation in coordinator.status().evaluations] == [0, 5]


def test_one_whose_environment_fails_is_gone(
    tmp_path, config, learner, failing, monkeypatch):
  monkeypatch.setattr(leases, 'LEASE_SECONDS', math.inf)
  failing.fails.set()
  with pytest.raises(RuntimeError, match='the simulator is gone'):
    evaluator_role.run_evaluator(
        config, opening.prepare(str(tmp_path / 'run'), 'auto'),
        learner.address, threading.Event())
  assert not failing.open
  # It has not left, as of one that may come back, but renews nothing either.
  assert not learner.is_free('evaluator')
  monkeypatch.setattr(leases, 'LEASE_SECONDS', 0.0)
  assert learner.is_free('evaluator')
