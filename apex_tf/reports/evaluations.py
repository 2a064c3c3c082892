"""All evaluations of a run, from its status and from its event files.

The status has all that there is to know of an evaluation, but of a long run
only some of them; the event files have all of them, but not all that there is
to know.
"""

import collections
from typing import Iterator, List, NamedTuple, Tuple

import numpy as np

from apex_tf.monitoring import status as status_lib
from apex_tf.reports import event_files


class Point(NamedTuple):
  """One evaluation.

  Attributes:
    learner_step: at which the evaluated variables were published.
    agent_steps: of all actors when that version was fetched.
    environment_frames: likewise.
    minutes: since the run's start, when the evaluation ended.
    mean: raw return.
    std: population standard deviation over the episodes.
    episodes: that were finished.
  """
  learner_step: int
  agent_steps: int
  environment_frames: int
  minutes: float
  mean: float
  std: float
  episodes: int


def merge(status: status_lib.RunStatus,
          events: event_files.RoleEvents) -> List[Point]:
  """The evaluations of a run, in order.

  What only the event files have is given the minutes that its agent steps have
  between its neighbours, and left out where the run itself has taken it back:
  a learner that was killed goes on from a checkpoint, and forgets the policies
  that came after it.

  Args:
    status: of the run, no older than the events.
    events: of the evaluator.
  """
  points = [
      Point(e.learner_step, e.agent_steps, e.environment_frames,
            e.wall_seconds / 60, e.mean, e.std, len(e.returns))
      for e in status.evaluations]
  known = collections.Counter(
      _key(point.learner_step, point.mean) for point in points)
  frames_per_step = (status.environment_frames / status.agent_steps
                     if status.agent_steps else 1.0)
  axis = [(0, 0.0), *((p.agent_steps, p.minutes) for p in points),
          (status.agent_steps, status.wall_seconds / 60)]
  at_steps, at_minutes = (np.maximum.accumulate(side) for side in zip(*axis))
  for step, agent_steps, mean, std, episodes in _lasting(status, events):
    key = _key(step, mean)
    if known[key]:
      known[key] -= 1
      continue
    points.append(Point(
        step, int(agent_steps), round(agent_steps * frames_per_step),
        float(np.interp(agent_steps, at_steps, at_minutes)), mean, std,
        int(episodes)))
  return sorted(points, key=lambda point: (point.learner_step, point.minutes))


def _lasting(status: status_lib.RunStatus, events: event_files.RoleEvents
            ) -> Iterator[Tuple[int, float, float, float, float]]:
  """Step, agent steps, mean, std and episodes of what was not taken back."""
  means = events.series.get('evaluation_return_mean', event_files.NO_POINTS)
  others = [
      events.series.get(name, event_files.NO_POINTS)
      for name in ('evaluation_agent_steps', 'evaluation_return_std',
                   'evaluation_episodes')]
  # The smallest step that is written from here on.
  lasting = np.minimum.accumulate(
      np.append(means.steps, status.learner_steps)[::-1])[::-1]
  for step, time, mean, limit in zip(*means, lasting):
    agent_steps, std, episodes = (
        _value_at(series, step, time) for series in others)
    if step <= limit and np.isfinite([agent_steps, episodes]).all():
      yield int(step), agent_steps, float(mean), std, episodes


def _value_at(series: event_files.Series, step: int, time: float) -> float:
  """Of the point that was written with another; NaN where that broke off."""
  places = np.flatnonzero(series.steps == step)
  if not len(places):
    return np.nan
  nearest = places[np.argmin(np.abs(series.times[places] - time))]
  return float(series.values[nearest])


def _key(step: int, mean: float) -> Tuple[int, bytes]:
  """Tells evaluations apart; the event files have single precision."""
  return step, np.float32(mean).tobytes()
