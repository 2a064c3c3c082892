"""The metrics of all roles, their TensorBoard files, and rates of counters.

Every role writes its metrics through `MetricsLogger` under names of `METRICS`,
so that a name means one thing, with one unit, wherever it is seen.
"""

import collections
import contextlib
import difflib
import math
import os
import threading
import time
from typing import Any, Callable, Deque, Dict, Iterator, Mapping, Tuple

from acme.utils.loggers import base
import numpy as np
import psutil

from apex_tf import agents
from apex_tf import files
from apex_tf.monitoring import metric_table

METRICS: Mapping[str, metric_table.Metric] = {
    metric.name: metric
    for metric in (*metric_table.TABLE, *agents.metrics())
}


class MetricsLogger(base.Logger):
  """Writes the metrics of one role for TensorBoard. Thread safe.

  Points that cannot be written, because the disk is full, are dropped: a role
  outlives it. Since TensorFlow leaves half a record then, and no reader gets
  past it, later points go to a new file.
  """

  def __init__(self, directory: str, role: str, layout: bytes = b''):
    """Creates the event file, if it can be.

    Args:
      directory: of this role's event files alone.
      role: such as "learner" or "actor_3".
      layout: a serialized summary that every file is to begin with; see
        `tensorboard_layout`.

    Raises:
      ValueError: no metric is of that kind of role.
    """
    self._kind = metric_table.role_kind(role)
    self._names = {m.name for m in METRICS.values() if self._kind in m.roles}
    if not self._names:
      raise ValueError(f'role is {role!r}, but must be one of '
                       f'{", ".join(metric_table.STEP_UNITS)}, or one with an '
                       'index')
    import tensorflow as tf  # Slow; the launcher reads the table without it.
    self._tf = tf
    self._lock = threading.Lock()
    self._directory = directory
    self._layout = layout
    self._writer: Any = None  # None where the next point needs a new file.
    self._closed = False
    files.attempt(directory, self._open)

  def write(self, data: base.LoggingData) -> None:
    """Writes and flushes one point of each metric in `data`, if it can.

    To them it adds `failed_writes`.

    Args:
      data: scalars by metric name, and 'step', in the unit that
        `metric_table.STEP_UNITS` has for the role.

    Raises:
      ValueError: a name that the table does not have for this role, a value
        that is not a scalar, or no step. Nothing is written then.
      RuntimeError: the logger is closed.
    """
    points = {name: self._scalar(name, value) for name, value in data.items()}
    points['failed_writes'] = files.failed_writes()
    step = points.pop('step', math.nan)
    if not (math.isfinite(step) and step == math.floor(step)):
      raise ValueError(f"step is {data.get('step')!r}, but must be a whole "
                       f'number of {metric_table.STEP_UNITS[self._kind]}')
    with self._lock:
      if self._closed:
        raise RuntimeError(f'the metrics logger of the {self._kind} is closed')
      files.attempt(self._directory, lambda: self._write(points, int(step)))

  def close(self) -> None:
    """Closes the event file; a second call does nothing."""
    with self._lock:
      if not self._closed:
        self._closed = True
        if self._writer is not None:
          files.attempt(self._directory, self._close)

  def _open(self) -> None:
    """Opens a new event file.

    Raises:
      OSError: there is no room for one.
    """
    os.makedirs(self._directory, exist_ok=True)
    # TensorFlow would leave an empty file for each attempt.
    files.check_room(self._directory)
    with self._os_errors():
      self._writer = self._tf.summary.create_file_writer(self._directory)
      if self._layout:
        with self._writer.as_default():
          self._tf.summary.experimental.write_raw_pb(self._layout, step=0)
        self._writer.flush()

  def _write(self, points: Mapping[str, float], step: int) -> None:
    """Writes points; raises OSError where they are lost."""
    if self._writer is None:
      self._open()
    with self._os_errors():
      with self._writer.as_default():
        for name, value in points.items():
          # Arrays, since TensorFlow keeps each Python number that it has ever
          # made a tensor of.
          self._tf.summary.scalar(
              f'{self._kind}/{name}', np.float32(value), step=np.array(step))
      self._writer.flush()

  def _close(self) -> None:
    """Closes the file; raises OSError where something of it is lost."""
    with self._os_errors():
      self._writer.close()

  @contextlib.contextmanager
  def _os_errors(self) -> Iterator[None]:
    """Gives up the file and raises OSError in the place of TensorFlow's."""
    try:
      yield
    except self._tf.errors.OpError as error:
      self._writer = None
      raise OSError(error.message.splitlines()[0]) from error

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


def resident_megabytes() -> float:
  """Resident memory of this process in megabytes, 10^6 bytes."""
  return psutil.Process().memory_info().rss / 1e6


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
