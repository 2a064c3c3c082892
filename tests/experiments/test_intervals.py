import math

import numpy as np
import pytest

from apex_tf.experiments import intervals


def test_interval_by_hand():
  # Mean 4, sample deviation 2, 4.3027 * 2 / sqrt(3); a table of Student's t
  # has 4.303 for two degrees of freedom.
  mean, half_width = intervals.interval([2.0, 4.0, 6.0])
  assert mean == 4.0
  assert half_width == pytest.approx(4.3027 * 2 / math.sqrt(3), rel=1e-4)


def test_interval_covers_the_mean_as_often_as_it_says():
  rng = np.random.default_rng(0)
  draws = rng.normal(5.0, 3.0, (4000, 3))
  hits = [abs(i.mean - 5.0) <= i.half_width
          for i in map(intervals.interval, draws)]
  assert np.mean(hits) == pytest.approx(0.95, abs=0.012)  # 3.5 deviations.


def test_one_seed_has_no_interval():
  mean, half_width = intervals.interval([3.0])
  assert mean == 3.0 and math.isnan(half_width)
  with pytest.raises(ValueError, match='values is empty'):
    intervals.interval([])


def test_common_places_by_hand():
  curves = [(np.array([0.0, 10.0]), np.array([0.0, 100.0])),
            (np.array([4.0, 6.0, 20.0]), np.array([1.0, 3.0, 3.0]))]
  places, heights = intervals.on_common_grid(curves, 4)
  np.testing.assert_allclose(places, [4, 6, 8, 10])
  np.testing.assert_allclose(heights, [[40, 60, 80, 100], [1, 3, 3, 3]])


def test_curves_without_a_common_place():
  curves = [(np.array([0.0, 1.0]), np.zeros(2)),
            (np.array([2.0]), np.zeros(1))]
  places, heights = intervals.on_common_grid(curves, 4)
  assert places.shape == (0,) and heights.shape == (2, 0)


def test_curves_of_one_point():
  curves = [(np.array([5.0]), np.array([1.0])),
            (np.array([5.0]), np.array([3.0]))]
  places, heights = intervals.on_common_grid(curves, 4)
  assert places.tolist() == [5.0] and heights.tolist() == [[1.0], [3.0]]
