"""The run as a whole: counts, limits, and when to stop."""

import dataclasses
import threading
import time
from typing import Any, Dict, List, Optional, Set

from apex_tf import config as config_lib
from apex_tf.monitoring import status as status_lib

# Evaluations that are kept: enough for a picture, however long the run.
_MAX_EVALUATIONS = 200

# Of the limits in `config.run`, the one that evaluations reach.
TARGET_RETURN = 'target_return'


class Coordinator:
  """Collects what the roles report and decides when the run ends.

  It lives in the learner's process; every role's report is answered with the
  run's phase, which is how a role learns that the run is over. Reports carry
  totals, not increments, so that a report that arrives twice changes nothing.
  All counts go on in the next process through `get_state` and `set_state`; the
  phase does not.
  """

  def __init__(self, config: config_lib.RunConfig,
               clock: Any = time.monotonic):
    """Starts the run's clock.

    Args:
      config: the limits.
      clock: seconds, monotonic.
    """
    self._config = config
    self._clock = clock
    self._start = clock()
    # When the run was over: whoever still asks is answered on.
    self._end: Optional[float] = None
    self._learning_start: Optional[float] = None
    self._learning_end: Optional[float] = None
    # Of the processes before this one.
    self._earlier_wall_seconds = 0.0
    self._earlier_learning_seconds = 0.0
    self._lock = threading.Lock()
    self._phase = status_lib.FILLING
    self._stop_reason = ''
    # In an earlier process.
    self._reached_target_return: Optional[float] = None
    self._learner_steps = 0
    # Newest report of each incarnation of each actor, by actor index.
    self._reports: Dict[int, Dict[str, status_lib.ActorReport]] = {}
    # Actors that have reported to this process.
    self._present: Set[int] = set()
    self._evaluations: List[status_lib.Evaluation] = []

  @property
  def wall_seconds(self) -> float:
    """From the run's start to its end, or until now; without the time between
    its processes."""
    now = self._clock() if self._end is None else self._end
    return self._earlier_wall_seconds + now - self._start

  @property
  def _learning_seconds(self) -> float:
    if self._learning_start is None:
      return self._earlier_learning_seconds
    end = (self.wall_seconds if self._learning_end is None
           else self._learning_end)
    return self._earlier_learning_seconds + end - self._learning_start

  def get_phase(self) -> str:
    """The phase of the run, one of `status.PHASES`."""
    return self._phase

  @property
  def reached_target(self) -> bool:
    """Whether learning ended because evaluations reached the target."""
    return self._stop_reason == TARGET_RETURN

  def get_counts(self) -> Dict[str, float]:
    """`agent_steps`, `environment_frames`, `wall_seconds` of the run by now."""
    status = self.status()
    return {
        'agent_steps': status.agent_steps,
        'environment_frames': status.environment_frames,
        'wall_seconds': status.wall_seconds,
    }

  def report_actor(self, index: int, report: Dict[str, Any]) -> str:
    """Takes an actor's totals, an `ActorReport` as a dict; the phase."""
    parsed = status_lib.ActorReport(**report)
    with self._lock:
      self._reports.setdefault(index, {})[parsed.incarnation] = parsed
      self._present.add(index)
    return self.check_limits()

  def report_evaluation(self, evaluation: Dict[str, Any]) -> str:
    """Takes an `Evaluation` as a dict; the phase."""
    parsed = status_lib.Evaluation(**evaluation)
    with self._lock:
      # What one version has come from does not grow when it is fetched again.
      for earlier in self._evaluations:
        if earlier.learner_step == parsed.learner_step:
          parsed.agent_steps = earlier.agent_steps
          parsed.environment_frames = earlier.environment_frames
      known = {(e.learner_step, e.wall_seconds, e.final)
               for e in self._evaluations}
      if (parsed.learner_step, parsed.wall_seconds, parsed.final) not in known:
        self._evaluations.append(parsed)
      if len(self._evaluations) > _MAX_EVALUATIONS:
        self._evaluations = _thinned(self._evaluations)
      if parsed.final:
        self._be_done()
    return self.check_limits()

  def report_learner(self, learner_steps: int) -> str:
    """Takes the learner's count; the phase."""
    with self._lock:
      self._learner_steps = learner_steps
      if learner_steps and self._phase == status_lib.FILLING:
        self._phase = status_lib.LEARNING
        self._learning_start = self.wall_seconds
    return self.check_limits()

  def check_limits(self) -> str:
    """Ends the learning when a limit is reached. Returns the phase."""
    with self._lock:
      if self._phase in status_lib.LEARNING_PHASES:
        reason = self._reached_limit()
        if reason:
          self._stop_reason = reason
          self._phase = status_lib.STOPPING
          self._learning_end = self.wall_seconds
      return self._phase

  def begin_final_evaluation(self) -> None:
    """Says that the last variables are published."""
    with self._lock:
      if self._phase == status_lib.STOPPING:
        self._phase = status_lib.FINAL_EVALUATION

  def finish(self) -> None:
    """Ends the run, whether its final evaluation has come or not."""
    with self._lock:
      self._be_done()

  def status(self) -> status_lib.RunStatus:
    """The run at this moment; rates, loss and replay are the caller's."""
    with self._lock:
      everyone = [
          report for reports in self._reports.values()
          for report in reports.values()
      ]
      return status_lib.RunStatus(
          phase=self._phase,
          stop_reason=self._stop_reason,
          wall_seconds=self.wall_seconds,
          learning_seconds=self._learning_seconds,
          learner_steps=self._learner_steps,
          agent_steps=sum(report.agent_steps for report in everyone),
          environment_frames=sum(
              report.environment_frames for report in everyone),
          episodes=sum(report.episodes for report in everyone),
          broken_episodes=sum(report.broken_episodes for report in everyone),
          actors={
              str(index): dataclasses.replace(list(reports.values())[-1])
              for index, reports in sorted(self._reports.items())
              if index in self._present
          },
          evaluations=list(self._evaluations))

  def get_state(self) -> Dict[str, Any]:
    """All counts, for JSON."""
    with self._lock:
      return {
          'wall_seconds': self.wall_seconds,
          'learning_seconds': self._learning_seconds,
          'learner_steps': self._learner_steps,
          'reports': {
              str(index): [dataclasses.asdict(r) for r in reports.values()]
              for index, reports in self._reports.items()
          },
          'evaluations': [dataclasses.asdict(e) for e in self._evaluations],
          'reached_target_return': (
              self._config.target_return if self.reached_target else None),
      }

  def set_state(self, state: Dict[str, Any]) -> None:
    """Counts on from a state that `get_state` returned; before any report.

    An actor that is alive goes on with its own totals, and one that is not
    stays in the sums, but is not shown. An evaluation that was final is one of
    many now.
    """
    with self._lock:
      self._start = self._clock()
      self._learning_start = self._learning_end = None
      self._earlier_wall_seconds = state['wall_seconds']
      self._earlier_learning_seconds = state['learning_seconds']
      self._learner_steps = state['learner_steps']
      self._reports = {
          int(index): {
              report['incarnation']: status_lib.ActorReport(**report)
              for report in reports
          } for index, reports in state['reports'].items()
      }
      self._evaluations = [
          status_lib.Evaluation(**{**evaluation, 'final': False})
          for evaluation in state['evaluations']
      ]
      self._reached_target_return = state.get('reached_target_return')

  def count_on_from(self, wall_seconds: float) -> None:
    """Sets the run's clock forward; after `set_state`, before any report.

    Args:
      wall_seconds: that the run has taken in all, those included of which the
        checkpoint does not know. A clock that is ahead stays.
    """
    with self._lock:
      self._earlier_wall_seconds += max(0.0, wall_seconds - self.wall_seconds)

  def _be_done(self) -> None:
    """Ends the run and its clock; with the lock held."""
    self._phase = status_lib.DONE
    if self._end is None:
      self._end = self._clock()

  def _reached_limit(self) -> str:
    """Name of the limit in `config.run` that is reached, or ""."""
    config = self._config
    agent_steps = sum(
        report.agent_steps for reports in self._reports.values()
        for report in reports.values())
    # What the final evaluation was does not matter: it is over.
    if self._reached_target_return == config.target_return:
      return TARGET_RETURN
    # Of many versions, the luckiest also reaches it first; but hardly twice.
    if len(self._evaluations) >= 2:
      first, second = self._evaluations[-2:]
      if first.learner_step == second.learner_step and all(
          evaluation.reaches(config.target_return)
          for evaluation in (first, second)):
        return TARGET_RETURN
    if 0 < config.max_learner_steps <= self._learner_steps:
      return 'max_learner_steps'
    if 0 < config.max_agent_steps <= agent_steps:
      return 'max_agent_steps'
    if self.wall_seconds >= 60 * config.max_minutes:
      return 'max_minutes'
    return ''


def _thinned(evaluations: List[status_lib.Evaluation]
            ) -> List[status_lib.Evaluation]:
  """Every second one, the best, and the newest two."""
  best = status_lib.best_evaluation(evaluations)
  return [
      evaluation for index, evaluation in enumerate(evaluations)
      if index % 2 == 0 or evaluation in (best, *evaluations[-2:])
  ]
