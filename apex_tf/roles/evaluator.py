"""The evaluator process: measures published versions of the policy."""

import contextlib
import dataclasses
import threading
import time
from typing import Any, Callable, Dict, Optional

from absl import logging

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import evaluator as evaluator_lib
from apex_tf import learner_client
from apex_tf import leases
from apex_tf import membership as membership_lib
from apex_tf import transfers
from apex_tf import waiting
from apex_tf.monitoring import evaluator_monitor
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib

_ROLE = metric_table.EVALUATOR


class _EvaluatorProcess:
  """The parts of the process, and their order of work.

  Its methods are called one after the other, in the order that they have here.
  """

  def __init__(self, config: config_lib.Config,
               directory: run_directory.RunDirectory, learner_address: str,
               stop: threading.Event, patience: waiting.Patience):
    """Has no part in the run as yet; arguments as of `run_evaluator`."""
    self._config = config
    self._directory = directory
    self._learner_address = learner_address
    self._stop = stop
    self._patience = patience
    self._builder = builder_lib.Builder(config)
    self._learner = learner_client.connect(learner_address)
    self._membership = membership_lib.Membership(self._learner, _ROLE)
    # Of whatever `connect` has made, the newest first.
    self._closing = contextlib.ExitStack()

  def connect(self) -> bool:
    """Takes part in the run, and builds what measures.

    Returns:
      Whether it takes part; otherwise `stop` is set.

    Raises:
      leases.RefusedError: the learner does not want it.
      waiting.NoAnswerError: the learner does not answer.
    """
    if not self._membership.join(self._config, self._stop, self._patience):
      return False
    # A whole version may take its time.
    self._parts = self._builder.make_evaluator(learner_client.LearnerClient(
        self._learner_address, transfers.TRANSFER_SECONDS))
    self._closing.callback(self._parts.environment.close)
    self._logger = metrics_lib.MetricsLogger(
        self._directory.tensorboard_directory(_ROLE), _ROLE)
    self._closing.callback(self._logger.close)
    return True

  def run(self, stay: bool) -> None:
    """Evaluates until the run is over; with `stay`, until it is stopped.

    Raises:
      leases.RefusedError: another process has this role by now.
      waiting.NoAnswerError: the learner has not answered for too long.
    """
    next_time = time.monotonic()
    while not self._stop.is_set():
      phase = self._ask(self._membership.get_phase)
      if phase == status_lib.FINAL_EVALUATION:
        # Perhaps not for the first time: a learner that died before the run
        # was over has to be told again when it is back.
        self._evaluate_newest(final=True)
      elif phase == status_lib.DONE and not stay:
        break
      elif phase == status_lib.LEARNING and time.monotonic() >= next_time:
        next_time = time.monotonic() + self._config.evaluator.period_seconds
        self._evaluate_newest(final=False)
      self._stop.wait(0.2)

  def close(self) -> None:
    """Closes what is open, also after an error."""
    self._closing.close()

  def leave(self) -> None:
    """Gives back the part in the run; not after an error."""
    self._membership.leave()

  def _ask(self, call: Callable[[], Any]) -> Any:
    """Repeats a call until it is answered; None once stopped."""
    wait = waiting.Wait(f'learner at {self._learner_address}', self._patience)
    while not self._stop.is_set():
      try:
        return call()
      except leases.RefusedError:
        raise
      except Exception as error:  # pylint: disable=broad-except
        wait.note(error)
        self._stop.wait(0.5)
    return None

  def _learns(self) -> bool:
    """Whether the run still learns, and this process is to go on."""
    return not self._stop.is_set() and (
        self._ask(self._membership.get_phase) == status_lib.LEARNING)

  def _evaluate_newest(self, final: bool) -> None:
    """Fetches the newest version and evaluates it, unless it is stopped, or has
    done so before and learning is not over."""
    if not self._parts.variable_client.update_and_wait(
        self._stop, waiting.Wait(
            f'variables at {self._learner_address}', self._patience)):
      return
    if self._parts.evaluator.has_measured_newest and not final:
      return
    counts = self._ask(self._learner.get_counts)
    if counts is None:
      return
    if final:
      self._measure(counts, True, lambda: not self._stop.is_set())
    else:
      evaluator_lib.measure_until_sure(
          lambda at: self._measure(at, False, self._learns), counts,
          self._config.run.target_return, self._learns)

  def _measure(self, counts: Dict[str, float], final: bool,
               keep_going: Callable[[], bool]
              ) -> Optional[status_lib.Evaluation]:
    """Evaluates the version that was fetched at these counts; reports it."""
    start = time.monotonic()
    evaluation = self._parts.evaluator.evaluate(counts, final, keep_going)
    if evaluation is None:
      if final:
        self._ask(self._learner.give_up_final_evaluation)
      return None
    logging.info('Version %d: %.1f +- %.1f over %d episodes.',
                 evaluation.learner_step, evaluation.mean, evaluation.std,
                 len(evaluation.returns))
    self._logger.write(
        evaluator_monitor.metrics(evaluation, time.monotonic() - start))
    self._ask(lambda: self._learner.report_evaluation(
        dataclasses.asdict(evaluation)))
    return evaluation


def run_evaluator(config: config_lib.Config,
                  directory: run_directory.RunDirectory, learner_address: str,
                  stop: threading.Event,
                  patience: waiting.Patience = waiting.ENDLESS,
                  ready: Callable[[], None] = lambda: None,
                  stay: bool = False) -> None:
  """Evaluates now and then, and once more when learning is over.

  Args:
    config: of the run.
    directory: of the run; TensorBoard logs go there.
    learner_address: `host:port` of the `LearnerService`.
    stop: ends the process early.
    patience: with a learner that does not answer, at the start and later on.
    ready: called once it is at work.
    stay: goes on when the run is over: its learner may come back, and want the
      final evaluation again.

  Raises:
    leases.RefusedError: the learner does not want it.
    waiting.NoAnswerError: the learner has not answered for too long.
  """
  process = _EvaluatorProcess(
      config, directory, learner_address, stop, patience)
  try:
    if process.connect():
      ready()
      process.run(stay)
  finally:
    process.close()
  process.leave()
