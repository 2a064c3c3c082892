"""The arithmetic of a soak: slopes, quarters, rates."""

import math
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np


class Slope(NamedTuple):
  """A straight line's slope, and how sure it is.

  Attributes:
    value: change of y for one of x.
    error: its standard error; infinity where the points do not tell.
  """
  value: float
  error: float


def fit_slope(xs: Sequence[float], ys: Sequence[float]) -> Slope:
  """Least squares; the error allows for neighbours that are alike.

  What a process has allocated stays allocated for the next sample too, so that
  n samples say less than n independent ones would. The usual error is made
  larger by sqrt((1 + r) / (1 - r)), where r is the residuals' correlation with
  their next, if that is positive.

  Args:
    xs: at least two, not all the same.
    ys: one for each.
  """
  x = np.asarray(xs, float) - np.mean(xs)
  y = np.asarray(ys, float) - np.mean(ys)
  spread = np.sum(x**2)
  value = np.sum(x * y) / spread
  residuals = y - value * x
  squares = np.sum(residuals**2)
  if len(x) < 3:
    return Slope(float(value), math.inf)
  if not squares:
    return Slope(float(value), 0.0)
  correlation = max(0.0, np.sum(residuals[1:] * residuals[:-1]) / squares)
  error = math.sqrt(squares / (len(x) - 2) / spread *
                    (1 + correlation) / (1 - correlation))
  return Slope(float(value), error)


def outer_quarters(times: Sequence[float]) -> Tuple[List[int], List[int]]:
  """Which of the times lie in the first and in the last quarter of them all.

  Args:
    times: ascending.

  Returns:
    The indices of each, both ends included.
  """
  length = (times[-1] - times[0]) / 4
  first = [i for i, time in enumerate(times) if time <= times[0] + length]
  last = [i for i, time in enumerate(times) if time >= times[-1] - length]
  return first, last


def total(counts: Sequence[float]) -> List[float]:
  """A count that goes on where it was when it begins anew at zero.

  Such as a process's CPU seconds, which another process counts on after it.
  """
  result, before = [], 0.0
  previous = 0.0
  for count in counts:
    if count < previous:
      before += previous
    previous = count
    result.append(before + count)
  return result


def ratio(last: float, first: float) -> float:
  """Last against first; NaN where there was nothing at first."""
  return last / first if first else math.nan
