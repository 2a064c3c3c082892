"""The evaluator process: measures published versions of the policy."""

import dataclasses
import threading
import time
from typing import Any, Callable, Dict, Optional

from absl import logging

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import leases
from apex_tf import transfers
from apex_tf import waiting
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.roles import learner_client
from apex_tf.roles import membership as membership_lib

ROLE = 'evaluator'


def write_metrics(logger: metrics_lib.MetricsLogger,
                  evaluation: status_lib.Evaluation, seconds: float) -> None:
  """Writes an evaluation that took `seconds` to TensorBoard."""
  metrics = {
      'step': evaluation.learner_step,
      'evaluated_version': evaluation.learner_step,
      'evaluation_agent_steps': evaluation.agent_steps,
      'evaluation_return_mean': evaluation.mean,
      'evaluation_return_std': evaluation.std,
      'evaluation_return_min': min(evaluation.returns),
      'evaluation_return_max': max(evaluation.returns),
      'evaluation_episodes': len(evaluation.returns),
      'evaluation_seconds': seconds,
      'broken_episodes': evaluation.broken_episodes,
      'resident_megabytes': metrics_lib.resident_megabytes(),
  }
  if evaluation.human_normalized is not None:
    metrics['human_normalized_score'] = evaluation.human_normalized
  logger.write(metrics)


def measure_until_sure(
    measure: Callable[[Dict[str, float]], Optional[status_lib.Evaluation]],
    counts: Dict[str, float], target_return: float,
    goes_on: Callable[[], bool]) -> None:
  """Evaluates a version, and once more at once where it reaches the target.

  Of many versions the luckiest reaches it first; the coordinator wants it of
  one version twice.

  Args:
    measure: evaluates the version that was fetched, at these counts, and
      reports it.
    counts: of the run when that version was fetched.
    target_return: of the run.
    goes_on: whether the run still learns.
  """
  first = measure(counts)
  if first is not None and first.reaches(target_return) and goes_on():
    measure({**counts, 'wall_seconds': first.wall_seconds})


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
  builder = builder_lib.Builder(config)
  learner = learner_client.connect(learner_address)
  membership = membership_lib.Membership(learner, ROLE)
  if not membership.join(config, stop, patience):
    return
  # A whole version may take its time.
  parts = builder.make_evaluator(learner_client.LearnerClient(
      learner_address, transfers.TRANSFER_SECONDS))
  logger = metrics_lib.MetricsLogger(
      directory.tensorboard_directory(ROLE), ROLE)

  def ask(call: Callable[[], Any]) -> Any:
    """Repeats a call until it is answered; None once stopped."""
    wait = waiting.Wait(f'learner at {learner_address}', patience)
    while not stop.is_set():
      try:
        return call()
      except leases.RefusedError:
        raise
      except Exception as error:  # pylint: disable=broad-except
        logging.warning('The learner does not answer: %s', error)
        wait.note(error)
        stop.wait(0.5)
    return None

  def learning() -> bool:
    return not stop.is_set() and (
        ask(membership.get_phase) == status_lib.LEARNING)

  def fetch() -> Optional[Dict[str, float]]:
    """Fetches the newest version; the run's counts then, or None."""
    if not parts.variable_client.update_and_wait(stop, waiting.Wait(
        f'variables at {learner_address}', patience)):
      return None
    return ask(learner.get_counts)

  def evaluate(counts: Dict[str, float], final: bool,
               keep_going: Callable[[], bool]
              ) -> Optional[status_lib.Evaluation]:
    """Evaluates the version that was fetched, and reports it."""
    start = time.monotonic()
    evaluation = parts.evaluator.evaluate(counts, final, keep_going)
    if evaluation is None:
      if final:
        ask(learner.give_up_final_evaluation)
      return None
    logging.info('Version %d: %.1f +- %.1f over %d episodes.',
                 evaluation.learner_step, evaluation.mean, evaluation.std,
                 len(evaluation.returns))
    write_metrics(logger, evaluation, time.monotonic() - start)
    ask(lambda: learner.report_evaluation(dataclasses.asdict(evaluation)))
    return evaluation

  ready()
  next_time = time.monotonic()
  while not stop.is_set():
    phase = ask(membership.get_phase)
    if phase == status_lib.FINAL_EVALUATION:
      # Perhaps not for the first time: a learner that died before the run was
      # over has to be told again when it is back.
      counts = fetch()
      if counts is None:
        continue  # It is to stop.
      evaluate(counts, True, lambda: not stop.is_set())
    elif phase == status_lib.DONE and not stay:
      break
    elif phase == status_lib.LEARNING and time.monotonic() >= next_time:
      next_time = time.monotonic() + config.evaluator.period_seconds
      counts = fetch()
      if counts is None:
        continue
      measure_until_sure(lambda at: evaluate(at, False, learning), counts,
                         config.run.target_return, learning)
    stop.wait(0.2)
  logger.close()
  parts.environment.close()
  membership.leave()
