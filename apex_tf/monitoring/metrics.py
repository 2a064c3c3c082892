"""The one table of metrics, their TensorBoard files, and rates of counters.

Every role writes its metrics through `MetricsLogger` under names of `METRICS`,
so that a name means one thing, with one unit, wherever it is seen.
"""

import collections
import dataclasses
import difflib
import math
import os
import threading
import time
from typing import Any, Callable, Deque, Dict, List, Mapping, Tuple

from acme.utils.loggers import base

LEARNER = 'learner'
ACTOR = 'actor'
REPLAY = 'replay'
EVALUATOR = 'evaluator'
# The step of each point in TensorBoard, the key 'step' of `MetricsLogger`.
STEP_UNITS: Mapping[str, str] = {
    LEARNER: 'learner steps',
    ACTOR: 'agent steps of that actor',
    REPLAY: 'transitions inserted',
    EVALUATOR: 'learner steps, of the evaluated version',
}


@dataclasses.dataclass(frozen=True)
class Metric:
  """One metric.

  Attributes:
    name: its name everywhere.
    roles: the kinds of roles that report it.
    unit: of its values.
    doc: what it is.
  """
  name: str
  roles: Tuple[str, ...]
  unit: str
  doc: str


_TABLE = (
    # Counters: they only grow, except when their role is restarted.
    Metric('learner_steps', (LEARNER,), 'learner steps',
           'Gradient steps since the run began.'),
    Metric('agent_steps', (LEARNER, ACTOR), 'agent steps',
           'Actions: of all actors as the learner knows them, or of the actor '
           'since its start.'),
    Metric('environment_frames', (LEARNER, ACTOR), 'environment frames',
           'Emulator frames, counted like agent_steps.'),
    Metric('episodes', (LEARNER, ACTOR), 'episodes',
           'Finished training episodes, counted like agent_steps.'),
    # Throughput, over the last window.
    Metric('learner_steps_per_second', (LEARNER,), 'learner steps/s',
           'Gradient steps.'),
    Metric('samples_per_second', (LEARNER, REPLAY), 'transitions/s',
           'Transitions: learned from, or handed out by the table (which is '
           'ahead by the prefetched batches).'),
    Metric('agent_steps_per_second', (LEARNER, ACTOR), 'agent steps/s',
           'Actions: of all actors, or of this one.'),
    Metric('frames_per_second', (LEARNER, ACTOR), 'environment frames/s',
           'Emulator frames: of all actors, or of this one.'),
    Metric('inserts_per_second', (REPLAY,), 'transitions/s',
           'Transitions inserted by all actors.'),
    # Learning.
    Metric('loss', (LEARNER,), 'squared return',
           'Mean over the batch of weight * |TD|^2 / 2.'),
    Metric('gradient_norm', (LEARNER,), '1',
           'Global norm of the gradients before they are clipped.'),
    Metric('mean_q', (LEARNER,), 'return',
           'Mean over the batch of the value of the action taken.'),
    Metric('td_error_p10', (LEARNER,), 'return',
           '10th percentile of |TD| in the batch, at the update.'),
    Metric('td_error_p50', (LEARNER,), 'return',
           'Median of |TD| in the batch, at the update.'),
    Metric('td_error_p90', (LEARNER,), 'return',
           '90th percentile of |TD| in the batch, at the update.'),
    Metric('weight_mean', (LEARNER,), '1',
           'Mean importance weight of the batch; the largest is 1.'),
    Metric('weight_min', (LEARNER,), '1',
           'Smallest importance weight of the batch.'),
    Metric('sample_age_p50', (LEARNER,), 'learner steps',
           'Median over the batch of the learner steps between the policy that '
           'acted and now.'),
    Metric('sample_age_p90', (LEARNER,), 'learner steps',
           '90th percentile of the same.'),
    Metric('policy_age_steps', (LEARNER,), 'learner steps',
           'Learner steps since the oldest policy that an actor acts with.'),
    Metric('published_version', (LEARNER,), 'learner steps',
           'Learner step of the newest published variables.'),
    Metric('batch_wait_seconds', (LEARNER,), 's',
           'Total time that the learner waited for data, since its start.'),
    Metric('batch_wait_share', (LEARNER,), '1',
           'Share of the last window that the learner waited for data; 0 is '
           'never, 1 is always.'),
    # Priority write-back.
    Metric('priority_lag_steps', (LEARNER,), 'learner steps',
           'Learner steps between computing the oldest priority of the newest '
           'write and its arrival in the table.'),
    Metric('priority_updates_dropped', (LEARNER,), 'transitions',
           'Priorities dropped from the full queue, since the start.'),
    Metric('priorities_refused', (LEARNER,), 'transitions',
           'Priorities that were not finite and not written, since the start.'),
    Metric('items_evicted', (LEARNER,), 'transitions',
           'Transitions removed by prioritized eviction, since the start.'),
    # Acting.
    Metric('episode_return', (ACTOR,), 'return',
           'Raw return of an episode, mean of those since the last point.'),
    Metric('episode_return_clipped', (ACTOR,), 'return',
           'The same of the rewards as learning sees them.'),
    Metric('episode_length', (ACTOR,), 'agent steps',
           'Length of an episode, mean of those since the last point.'),
    Metric('epsilon_min', (ACTOR,), '1',
           'Smallest exploration of its environments.'),
    Metric('epsilon_max', (ACTOR,), '1',
           'Largest exploration of its environments.'),
    Metric('epsilon_mean', (ACTOR,), '1',
           'Mean exploration of its environments.'),
    Metric('broken_episodes', (ACTOR,), 'episodes',
           'Episodes cut short because the simulator gave a number that was '
           'not finite, since its start.'),
    Metric('policy_version', (ACTOR,), 'learner steps',
           'Learner step of the variables that it acts with.'),
    Metric('policy_age_seconds', (ACTOR,), 's',
           'Time since it fetched them.'),
    Metric('insert_priority_p10', (ACTOR,), 'return',
           '10th percentile of |TD| at insert, since the last point (the '
           'newest 10,000 at most).'),
    Metric('insert_priority_p50', (ACTOR,), 'return',
           'Median of the same.'),
    Metric('insert_priority_p90', (ACTOR,), 'return',
           '90th percentile of the same.'),
    Metric('items_inserted', (ACTOR,), 'transitions',
           'Transitions written to replay, since its start.'),
    Metric('items_refused', (ACTOR,), 'transitions',
           'Transitions dropped for a priority that was negative or not '
           'finite, since its start.'),
    # Replay.
    Metric('replay_size', (REPLAY,), 'transitions', 'Transitions in it.'),
    Metric('samples_per_insert', (REPLAY,), '1',
           'Samples for each insert since learning began; 0 until it has had '
           '1000 inserts.'),
    Metric('insert_wait_seconds', (ACTOR,), 's',
           'Total time that replay did not take its transitions, since its '
           'start.'),
    Metric('waiting_side', (REPLAY,), '0, 1 or 2',
           'Whom the rate limiter blocks now: 0 no one, 1 the learner, 2 the '
           'actors.'),
    Metric('waiting_seconds', (REPLAY,), 's',
           'Since that side last got on; near 0 where the limiter only slows '
           'it down to keep the ratio.'),
    # Evaluation, raw returns.
    Metric('evaluation_return_mean', (EVALUATOR,), 'return',
           'Mean over the episodes.'),
    Metric('evaluation_return_std', (EVALUATOR,), 'return',
           'Population standard deviation over the episodes.'),
    Metric('evaluation_return_min', (EVALUATOR,), 'return',
           'Of the worst episode.'),
    Metric('evaluation_return_max', (EVALUATOR,), 'return',
           'Of the best episode.'),
    Metric('evaluation_episodes', (EVALUATOR,), 'episodes',
           'Episodes finished in this evaluation.'),
    Metric('evaluation_seconds', (EVALUATOR,), 's',
           'Wall time that this evaluation took.'),
    Metric('human_normalized_score', (EVALUATOR,), '%',
           '100 * (mean - random) / (human - random), Atari only.'),
    Metric('evaluated_version', (EVALUATOR,), 'learner steps',
           'Learner step at which the evaluated variables were published.'),
    Metric('evaluation_agent_steps', (EVALUATOR,), 'agent steps',
           'Agent steps of all actors when that version was fetched.'),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _TABLE}

# Values of the metric `waiting_side`, by `ReplayStatus.waiting_side`.
WAITING_SIDES: Mapping[str, int] = {'': 0, 'learner': 1, 'actors': 2}


def role_kind(role: str) -> str:
  """The kind of a role: "actor" of "actor_3", "learner" of "learner"."""
  kind, _, index = role.rpartition('_')
  return kind if kind and index.isdigit() else role


class MetricsLogger(base.Logger):
  """Writes the metrics of one role for TensorBoard. Thread safe."""

  def __init__(self, directory: str, role: str):
    """Creates the event file.

    Args:
      directory: of this role's event files alone.
      role: such as "learner" or "actor_3".

    Raises:
      ValueError: no metric is of that kind of role.
    """
    self._kind = role_kind(role)
    self._names = {m.name for m in _TABLE if self._kind in m.roles}
    if not self._names:
      raise ValueError(f'role is {role!r}, but must be one of '
                       f'{", ".join(STEP_UNITS)}, or one with an index')
    import tensorflow as tf  # Slow; the launcher reads the table without it.
    self._tf = tf
    self._lock = threading.Lock()
    os.makedirs(directory, exist_ok=True)
    self._writer = tf.summary.create_file_writer(directory)
    self._closed = False

  def write(self, data: base.LoggingData) -> None:
    """Writes and flushes one point of each metric in `data`.

    Args:
      data: scalars by metric name, and 'step', in the role's `STEP_UNITS`.

    Raises:
      ValueError: a name that the table does not have for this role, a value
        that is not a scalar, or no step. Nothing is written then.
      RuntimeError: the logger is closed.
    """
    points = {name: self._scalar(name, value) for name, value in data.items()}
    step = points.pop('step', math.nan)
    if not (math.isfinite(step) and step == math.floor(step)):
      raise ValueError(f"step is {data.get('step')!r}, but must be a whole "
                       f'number of {STEP_UNITS[self._kind]}')
    with self._lock:
      if self._closed:
        raise RuntimeError(f'the metrics logger of the {self._kind} is closed')
      with self._writer.as_default():
        for name, value in points.items():
          self._tf.summary.scalar(
              f'{self._kind}/{name}', value, step=int(step))
      self._writer.flush()

  def close(self) -> None:
    """Closes the event file; a second call does nothing."""
    with self._lock:
      if not self._closed:
        self._closed = True
        self._writer.close()

  def _scalar(self, name: str, value: Any) -> float:
    if name != 'step' and name not in self._names:
      close = difflib.get_close_matches(name, sorted(self._names), n=1)
      hint = f'; did you mean {close[0]}?' if close else ''
      raise ValueError(f'metric is {name!r}, but must be one that the table '
                       f'METRICS has for the {self._kind}{hint}')
    try:
      if not isinstance(value, (str, bytes)):
        return float(value)  # Of tensors and arrays too.
    except (TypeError, ValueError):
      pass
    raise ValueError(f'{name} is {value!r}, but must be a scalar')


class RateWindow:
  """Rate per second of one counter over a sliding window."""

  def __init__(self, window_seconds: float = 30.0,
               clock: Callable[[], float] = time.monotonic):
    """Starts without a rate.

    Args:
      window_seconds: how far back the rate looks.
      clock: seconds, never going back.

    Raises:
      ValueError: the window is not positive.
    """
    if not window_seconds > 0.0:
      raise ValueError(f'window_seconds is {window_seconds!r}, but must be '
                       'greater than 0')
    self._window = window_seconds
    self._clock = clock
    # (time, total), the first at or before the window's beginning once there
    # is one that old.
    self._points: Deque[Tuple[float, float]] = collections.deque()
    self._last = 0.0

  def update(self, value: float) -> float:
    """Takes the counter's value of now and returns its rate.

    A counter that went down has been restarted from 0: its value is what it
    has counted since.

    Returns:
      The rate per second over the window, or over the time since the first
      call if that is shorter; 0 at the first call.
    """
    now = self._clock()
    if not self._points:
      self._points.append((now, 0.0))
    else:
      grown = value - self._last if value >= self._last else value
      self._points.append((now, self._points[-1][1] + grown))
    self._last = value
    while len(self._points) > 2 and self._points[1][0] <= now - self._window:
      self._points.popleft()
    (begin, first), (end, last) = self._points[0], self._points[-1]
    return (last - first) / (end - begin) if end > begin else 0.0


class Rates:
  """Rates per second of several counters."""

  def __init__(self, window_seconds: float = 30.0,
               clock: Callable[[], float] = time.monotonic):
    """As `RateWindow`."""
    self._make: Callable[[], RateWindow] = (
        lambda: RateWindow(window_seconds, clock))
    self._windows: Dict[str, RateWindow] = {}

  def update(self, counters: Mapping[str, float]) -> Dict[str, float]:
    """Takes values of counters and returns their rates under the same names.

    Args:
      counters: totals by the name of the rate, such as
        `{'samples_per_second': 51200}`; a new name may come at any time.
    """
    rates = {}
    for name, value in counters.items():
      if name not in self._windows:
        self._windows[name] = self._make()
      rates[name] = self._windows[name].update(value)
    return rates


def describe() -> List[Tuple[str, str, str, str]]:
  """(roles, name, unit, doc) of every metric, for the documentation."""
  return [(', '.join(m.roles), m.name, m.unit, m.doc) for m in _TABLE]
