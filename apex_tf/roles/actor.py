"""An actor process: environments, policy, adder."""

import contextlib
import threading
import time
from typing import Callable, Optional

from absl import logging
import reverb

from apex_tf import background
from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf import learner_client
from apex_tf import leases
from apex_tf import membership as membership_lib
from apex_tf import waiting
from apex_tf.monitoring import actor_monitor
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import monitor as replay_monitor

_REPORT_PERIOD_SECONDS = 1.0


class _ActorProcess:
  """The parts of the process, and their order of work.

  Its methods are called one after the other, in the order that they have here.
  """

  def __init__(self, config: config_lib.Config,
               directory: run_directory.RunDirectory, index: int,
               learner_address: str, stop: threading.Event,
               patience: waiting.Patience):
    """Has no part in the run as yet; arguments as of `run_actor`."""
    self._config = config
    self._directory = directory
    self._index = index
    self._role = f'actor_{index}'
    self._stop = stop
    self._patience = patience
    self._builder = builder_lib.Builder(config)
    self._learner = learner_client.connect(learner_address)
    self._membership = membership_lib.Membership(self._learner, self._role)
    self._silence = waiting.Wait(f'learner at {learner_address}', patience)
    self._run_over = threading.Event()
    self._failure: Optional[Exception] = None
    # Of whatever `connect` has made, the newest first.
    self._closing = contextlib.ExitStack()

  def connect(self, replay_address: str, variables_address: str) -> bool:
    """Takes part in the run: joins, builds what acts, and begins to report.

    Args:
      replay_address: as of `run_actor`.
      variables_address: likewise.

    Returns:
      Whether it takes part; otherwise `stop` is set.

    Raises:
      leases.RefusedError: the learner does not want it.
      waiting.NoAnswerError: a server does not answer.
    """
    builder = self._builder
    if not self._membership.join(self._config, self._stop, self._patience):
      return False
    environment = builder.make_environment(self._index)
    self._closing.callback(environment.close)
    policy = builder.make_behavior_policy(self._index)
    variable_client = builder.make_variable_client(
        learner_client.variables_at(variables_address), policy)
    if not variable_client.update_and_wait(self._stop, waiting.Wait(
        f'variables at {variables_address}', self._patience)):
      return False
    if not replay_monitor.wait_until_it_answers(
        replay_address, self._stop, self._patience):
      return False
    adder = builder.make_adder(reverb.Client(replay_address), self._run_over)
    self._closing.callback(adder.close)
    self._loop = environment_loop.EnvironmentLoop(
        environment, builder.make_actor(policy, variable_client, adder),
        self._config.environment.reward_clip)
    self._monitor = actor_monitor.ActorMonitor(
        self._loop, adder, policy, variable_client, self._membership.holder)
    self._logger = metrics_lib.MetricsLogger(
        self._directory.tensorboard_directory(self._role), self._role)
    self._closing.callback(self._logger.close)
    # In a thread, since the one that acts sees no `stop` while replay takes
    # nothing: the adder waits until `_run_over` is set.
    for function, seconds, name in (
        (self._watch, 0.2, 'watch'),
        (self._report, _REPORT_PERIOD_SECONDS, 'report')):
      self._closing.callback(background.PeriodicTask(
          function, seconds, f'{self._role}_{name}').stop)
    logging.info('%s acts in %d environments.', self._role,
                 environment.num_environments)
    return True

  def act(self) -> None:
    """Acts until the run is over.

    Raises:
      leases.RefusedError: another process has this role by now.
      waiting.NoAnswerError: the learner has not answered for too long.
    """
    logged_at = time.monotonic()
    while not self._run_over.is_set():
      self._monitor.observe(self._loop.step())
      now = time.monotonic()
      if now - logged_at >= self._config.run.metrics_period_seconds:
        logged_at = now
        self._logger.write(self._monitor.metrics())
    if self._failure is not None:
      raise self._failure

  def close(self) -> None:
    """Ends every thread and closes what is open, also after an error."""
    self._closing.close()

  def leave(self) -> None:
    """Gives back the part in the run; not after an error."""
    self._membership.leave()

  def _watch(self) -> None:
    if self._stop.is_set():
      self._run_over.set()

  def _report(self) -> None:
    """Reports to the learner, and looks whether the run goes on."""
    try:
      try:
        phase = self._membership.check(
            self._learner.report_actor(self._index, self._monitor.report()))
        self._silence.note_answer()
      except leases.RefusedError:
        raise
      except Exception as error:  # pylint: disable=broad-except
        self._silence.note(error)  # It acts on, but not for ever.
        return
    except (leases.RefusedError, waiting.NoAnswerError) as reason:
      self._failure = reason
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
  process = _ActorProcess(
      config, directory, index, learner_address, stop, patience)
  try:
    if process.connect(replay_address, variables_address):
      ready()
      process.act()
  finally:
    process.close()
  process.leave()
