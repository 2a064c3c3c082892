"""What several seeds say together; pure functions of numpy arrays."""

from typing import NamedTuple, Sequence, Tuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


class Interval(NamedTuple):
  """A mean and its interval of 95 %.

  Attributes:
    mean: over the seeds.
    half_width: of the interval around it; NaN for a single seed, which says
      nothing of how much seeds differ.
  """
  mean: float
  half_width: float


def interval(values: Sequence[float]) -> Interval:
  """Student's interval of the mean of independent values.

      mean ± t s / sqrt(n),  t the 97.5 % quantile for n - 1 degrees

  with s the sample standard deviation. Three seeds have t = 4.30, so that
  their intervals are wide.

  Args:
    values: one a seed.

  Raises:
    ValueError: without a value.
  """
  if not len(values):
    raise ValueError('values is empty, but must have at least one')
  mean = float(np.mean(values))
  if len(values) == 1:
    return Interval(mean, float('nan'))
  t = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
  return Interval(mean, float(t * stats.sem(values)))


def on_common_grid(
    curves: Sequence[Tuple[np.ndarray, np.ndarray]], num_points: int
) -> Tuple[np.ndarray, np.ndarray]:
  """Learning curves with steps of their own, interpolated on a common grid.

  The grid is even, from the latest of the curves' first steps to the earliest
  of their last; between two points of a curve it is linear.

  Args:
    curves: steps, rising, and returns at them; at least one point each.
    num_points: of the grid; one where all curves have but one step in common.

  Returns:
    Steps `<float64>[points]` and returns `<float64>[curves, points]`; both
    without a point where the curves have no step in common.
  """
  begin = max(steps[0] for steps, _ in curves)
  end = min(steps[-1] for steps, _ in curves)
  if begin > end:
    return np.zeros(0), np.zeros((len(curves), 0))
  grid = np.unique(np.linspace(begin, end, num_points))
  return grid, np.stack([
      np.interp(grid, steps, returns) for steps, returns in curves])
