"""Reads back the metrics that a role has written for TensorBoard."""

import contextlib
import logging
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import numpy as np
from tensorboard.plugins.custom_scalar import metadata

# What TensorFlow says of a record whose length is intact and whose end is not
# there. A record that is damaged in any other way is "corrupted".
_TRUNCATED = 'truncated record'


class Series(NamedTuple):
  """The points of one metric, in the order in which they were written.

  Attributes:
    steps: `<int64>[points]`, in the unit of the role.
    times: `<float64>[points]`, seconds since 1970.
    values: `<float64>[points]`.
  """
  steps: np.ndarray
  times: np.ndarray
  values: np.ndarray


class RoleEvents(NamedTuple):
  """What a role has written, in all its processes.

  Attributes:
    series: by the name of the metric.
    spans: first and last time of each file, in order.
  """
  series: Dict[str, Series]
  spans: List[Tuple[float, float]]


NO_POINTS = Series(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
NO_EVENTS = RoleEvents({}, [])

# Metric, step, time and value.
_Point = Tuple[str, int, float, float]


class _File(NamedTuple):
  begin: float
  end: float
  points: List[_Point]


def read_role(directory: str) -> RoleEvents:
  """Reads the event files of one role, the oldest first.

  Each process of the role has written a file of its own, so after a restart
  there are several. The last record of a file may break off: its process is
  just writing it, was killed, or had a full disk.

  Args:
    directory: of this role's event files alone.

  Raises:
    ValueError: names the file that is corrupt or cannot be read.
  """
  paths = [os.path.join(directory, name)
           for name in sorted(os.listdir(directory)) if 'tfevents' in name]
  found = [file for file in map(_read_file, paths) if file is not None]
  # The time of a file's first record, of no point, is in whole seconds.
  found.sort(key=lambda file: (
      file.points[0][2] if file.points else file.begin))
  columns: Dict[str, List[Tuple[int, float, float]]] = {}
  for file in found:
    for name, step, time, value in file.points:
      columns.setdefault(name, []).append((step, time, value))
  series = {}
  for name, points in columns.items():
    steps, times, values = zip(*points)
    series[name] = Series(np.array(steps, np.int64), np.array(times),
                          np.array(values))
  return RoleEvents(series, [(file.begin, file.end) for file in found])


def _read_file(path: str) -> Any:
  """A `_File`, or None of a file without a whole record."""
  begin, end, points = None, 0.0, []
  for event in _events(path):
    begin = event.wall_time if begin is None else begin
    end = event.wall_time
    for value in event.summary.value:
      if value.tag == metadata.CONFIG_SUMMARY_TAG:
        continue  # The layout of TensorBoard's page.
      points.append((value.tag.partition('/')[2], event.step, event.wall_time,
                     _scalar(path, value)))
  return None if begin is None else _File(begin, end, points)


def _events(path: str) -> Iterator[Any]:
  """The whole records of a file.

  TensorFlow checks the checksums of each record's length and content, and says
  which of both does not end; TensorBoard's own readers end at a corrupt record
  without a word. (The iterator is deprecated for `tf.data.TFRecordDataset`,
  which needs fifty times as long.)

  Raises:
    ValueError: names the file.
  """
  from google.protobuf import message  # pylint: disable=import-outside-toplevel
  import tensorflow as tf  # pylint: disable=import-outside-toplevel
  with _quiet(tf.get_logger()):
    try:
      yield from tf.compat.v1.train.summary_iterator(path)
    except tf.errors.DataLossError as error:
      if _TRUNCATED not in error.message:
        raise ValueError(
            f'{path} is a corrupt event file: {error.message}') from error
    except tf.errors.OpError as error:
      raise ValueError(
          f'{path} cannot be read: {error.message}') from error
    except message.DecodeError as error:
      raise ValueError(f'{path} is a corrupt event file: a record is not an '
                       'event') from error


def _scalar(path: str, value: Any) -> float:
  """Of a point."""
  import tensorflow as tf  # pylint: disable=import-outside-toplevel
  try:
    return float(tf.make_ndarray(value.tensor))
  except (TypeError, ValueError) as error:
    raise ValueError(f'{path} is a corrupt event file: {value.tag!r} is not a '
                     'scalar') from error


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
  """Without warnings, as of what is deprecated."""
  level = logger.level
  logger.setLevel(logging.ERROR)
  try:
    yield
  finally:
    logger.setLevel(level)
