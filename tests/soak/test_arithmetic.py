"""A soak's arithmetic against numbers that were worked out by hand."""

import math

import pytest

from tests.soak import arithmetic


def test_slope_and_its_error():
  # Means 1.5 and 2.75; 5.5 / 5; residuals -0.1, 0.8, -1.3, 0.6, which change
  # their sign each time; the error is sqrt(2.7 / 2 / 5).
  slope = arithmetic.fit_slope([0, 1, 2, 3], [1, 3, 2, 5])
  assert slope.value == pytest.approx(1.1)
  assert slope.error == pytest.approx(math.sqrt(0.27))


def test_error_allows_for_neighbours_that_are_alike():
  # 10 + 2 x with the residuals 1 1 -1 -1 -1 -1 1 1, which tilt it neither way;
  # sum of squares of x 42; their correlation with their next 3 / 8.
  ys = [11, 13, 13, 15, 17, 19, 23, 25]
  slope = arithmetic.fit_slope(range(8), ys)
  assert slope.value == pytest.approx(2.0)
  assert slope.error == pytest.approx(
      math.sqrt(8 / 6 / 42) * math.sqrt(1.375 / 0.625))


def test_a_straight_line_is_certain_and_two_points_are_not():
  assert arithmetic.fit_slope([0, 10, 20], [5, 4, 3]) == (
      pytest.approx(-0.1), pytest.approx(0.0, abs=1e-6))
  assert arithmetic.fit_slope([0, 1, 2], [7, 7, 7]) == (0.0, 0.0)
  assert arithmetic.fit_slope([0, 2], [1, 5]) == (2.0, math.inf)


def test_outer_quarters():
  assert arithmetic.outer_quarters([100, 105, 110, 115, 120, 125, 130, 135, 140]
                                  ) == ([0, 1, 2], [6, 7, 8])
  # By time, and not by number.
  assert arithmetic.outer_quarters([0, 1, 2, 3, 4, 40]) == (
      [0, 1, 2, 3, 4], [5])


def test_total_goes_on_after_a_new_start():
  assert arithmetic.total([1, 4, 9, 2, 3, 1, 6]) == [1, 4, 9, 11, 12, 13, 18]


def test_ratio():
  assert arithmetic.ratio(9.0, 10.0) == pytest.approx(0.9)
  assert math.isnan(arithmetic.ratio(9.0, 0.0))
