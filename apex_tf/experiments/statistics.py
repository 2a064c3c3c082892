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


def on_common_places(
    curves: Sequence[Tuple[np.ndarray, np.ndarray]], num_places: int
) -> Tuple[np.ndarray, np.ndarray]:
  """Curves with points of their own, read off at the same places.

  Between two points of a curve it is linear. The places are within all curves.

  Args:
    curves: of at least one point each: where, rising, and how high.
    num_places: of the result, fewer where all curves are at one place.

  Returns:
    `<float64>[places]` and `<float64>[curves, places]`; both without a place
    where the curves have none in common.
  """
  begin = max(places[0] for places, _ in curves)
  end = min(places[-1] for places, _ in curves)
  if begin > end:
    return np.zeros(0), np.zeros((len(curves), 0))
  common = np.unique(np.linspace(begin, end, num_places))
  return common, np.stack([
      np.interp(common, places, heights) for places, heights in curves])
