"""An actor process: environments, policy, adder."""

import threading
import time
from typing import Callable, Optional

from absl import logging
import reverb

from apex_tf import background
from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf import leases
from apex_tf import waiting
from apex_tf.monitoring import actor_monitor
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import monitor as replay_monitor
from apex_tf.roles import learner_client
from apex_tf.roles import membership as membership_lib

_REPORT_PERIOD_SECONDS = 1.0


class _Reports:
  """What the learner is told now and then, and what becomes of it.

  Attributes:
    failure: why the actor may not go on, if it may not.
  """

  def __init__(self, report: Callable[[], str], run_over: threading.Event,
               silence: waiting.Wait):
    """Initializes them.

    Args:
      report: reports; returns the phase of the run.
      run_over: to be set when the actor is to end.
      silence: of a learner that does not answer.
    """
    self.failure: Optional[Exception] = None
    self._report = report
    self._run_over = run_over
    self._silence = silence

  def send(self) -> None:
    """Reports, and looks whether the run goes on."""
    try:
      try:
        phase = self._report()
        self._silence.note_answer()
      except leases.RefusedError:
        raise
      except Exception as error:  # pylint: disable=broad-except
        self._silence.note(error)  # It acts on, but not for ever.
        return
    except (leases.RefusedError, waiting.NoAnswerError) as reason:
      self.failure = reason
      self._run_over.set()
      return
    # Until its last step is saved, a learner that dies has to learn on.
    if phase in (status_lib.FINAL_EVALUATION, status_lib.DONE):
      self._run_over.set()


def run_actor(config: config_lib.Config,
              directory: run_directory.RunDirectory, index: int,
              replay_address: str, learner_address: str,
              variables_address: str, stop: threading.Event,
              patience: waiting.Patience = waiting.ENDLESS,
              ready: Callable[[], None] = lambda: None) -> None:
  """Acts and writes experience until the run is over.

  Args:
    config: of the run.
    directory: of the run; TensorBoard logs go there.
    index: of this actor, which decides its exploration.
    replay_address: `host:port` of the replay server, or of this actor's shard.
    learner_address: `host:port` of the `LearnerService`.
    variables_address: `host:port` of a variable source, the same or a cache.
    stop: ends the process early.
    patience: with servers that do not answer, at the start and later on.
    ready: called once it is at work.

  Raises:
    leases.RefusedError: the learner does not want it.
    waiting.NoAnswerError: a server has not answered for too long.
  """
  role = f'actor_{index}'
  builder = builder_lib.Builder(config)
  learner = learner_client.connect(learner_address)
  membership = membership_lib.Membership(learner, role)
  if not membership.join(config, stop, patience):
    return
  environment = builder.make_environment(index)
  policy = builder.make_behavior_policy(index)
  variable_client = builder.make_variable_client(
      learner_client.variables_at(variables_address), policy)
  if not variable_client.update_and_wait(stop, waiting.Wait(
      f'variables at {variables_address}', patience)):
    return
  if not replay_monitor.wait_until_it_answers(replay_address, stop, patience):
    return
  run_over = threading.Event()
  adder = builder.make_adder(reverb.Client(replay_address), run_over)
  actor = builder.make_actor(policy, variable_client, adder)
  loop = environment_loop.EnvironmentLoop(
      environment, actor, config.environment.reward_clip)
  monitor = actor_monitor.ActorMonitor(
      loop, adder, policy, variable_client, membership.holder)
  logger = metrics_lib.MetricsLogger(
      directory.tensorboard_directory(role), role)

  reports = _Reports(
      lambda: membership.check(learner.report_actor(index, monitor.report())),
      run_over, waiting.Wait(f'learner at {learner_address}', patience))

  def watch() -> None:
    if stop.is_set():
      run_over.set()

  tasks = [
      background.PeriodicTask(
          reports.send, _REPORT_PERIOD_SECONDS, f'{role}_report'),
      background.PeriodicTask(watch, 0.2, f'{role}_watch'),
  ]
  logging.info('%s acts in %d environments.', role,
               environment.num_environments)
  ready()
  logged_at = time.monotonic()
  while not run_over.is_set():
    monitor.observe(loop.step())
    now = time.monotonic()
    if now - logged_at >= config.run.metrics_period_seconds:
      logged_at = now
      logger.write(monitor.metrics())
  for task in tasks:
    task.stop()
  logger.close()
  adder.close()
  environment.close()
  if reports.failure is not None:
    raise reports.failure
  membership.leave()
