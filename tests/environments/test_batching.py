from fractions import Fraction
from typing import Any, List, Tuple

from acme import specs
import dm_env
import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from apex_tf.environments import batching

FIRST, MID, LAST = dm_env.StepType


def test_seeds_follow_each_other_and_stay_below_two_to_the_31() -> None:
  assert batching.environment_seeds(5, 3) == [5, 6, 7]
  assert batching.environment_seeds(2**31 - 2, 3) == [2**31 - 2, 2**31 - 1, 0]


def test_every_combination_of_flags() -> None:
  # terminated, truncated, first, life lost: step type, reward, discount.
  cases = {
      (0, 0, 0, 0): (MID, 3, 1),
      (0, 0, 0, 1): (MID, 3, 0),
      (0, 1, 0, 0): (LAST, 3, 1),
      (0, 1, 0, 1): (LAST, 3, 0),
      (1, 0, 0, 0): (LAST, 3, 0),
      (1, 0, 0, 1): (LAST, 3, 0),
      (1, 1, 0, 0): (LAST, 3, 0),
      (0, 0, 1, 0): (FIRST, 0, 1),
      (0, 0, 1, 1): (FIRST, 0, 1),
      (1, 1, 1, 1): (FIRST, 0, 1),
  }
  flags = np.array(list(cases), np.bool_)
  timestep = batching.next_timestep(
      observation=np.zeros((len(cases), 1, 2)),
      reward=np.full(len(cases), 3),
      terminated=flags[:, 0],
      truncated=flags[:, 1],
      is_first=flags[:, 2],
      life_lost=flags[:, 3])
  result = zip(timestep.step_type, timestep.reward, timestep.discount)
  assert list(result) == list(cases.values())


_BOUND = st.floats(-1e300, 1e300) | st.floats(-2.0, 2.0)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    bounds=st.lists(st.tuples(_BOUND, _BOUND), min_size=1, max_size=4),
    actions=st.lists(st.floats(-1, 1, width=32) | st.sampled_from([-1.0, 1.0]),
                     min_size=4, max_size=4))
def test_from_unit_is_affine_and_stays_within_the_bounds(
    bounds: List[Tuple[float, float]], actions: List[float]) -> None:
  low, high = (np.array([fold(pair) for pair in bounds])
               for fold in (min, max))
  action = np.array(actions[:len(bounds)], np.float32)
  result = batching.from_unit(np.stack([action, -action]), low, high)
  assert result.dtype == np.float64
  assert (result >= low).all() and (result <= high).all()
  for row in (0, 1):
    for i in range(len(bounds)):
      first, last = Fraction(low[i]), Fraction(high[i])
      share = (Fraction(float(action[i])) * (1 - 2 * row) + 1) / 2
      exact = first + share * (last - first)
      error = abs(Fraction(result[row, i]) - exact)
      assert error <= Fraction(4e-16) * max(abs(first), abs(last)) + (
          Fraction(5e-324) * 4)


@hypothesis.settings(deadline=None)
@hypothesis.given(st.floats(-1, 1, width=32))
def test_from_unit_leaves_what_is_in_unit_bounds(action: float) -> None:
  assert batching.from_unit(np.array([action]), -np.ones(1), np.ones(1)) == (
      action)


def test_from_unit_by_hand() -> None:
  result = batching.from_unit(
      np.array([[-1, 0, 1], [1, -0.5, 0]], np.float32),
      np.array([-2.0, 0.0, 3.0]), np.array([2.0, 10.0, 3.0]))
  np.testing.assert_array_equal(result, [[-2, 5, 3], [2, 2.5, 3]])


@pytest.mark.parametrize('low, high, action, refused', [
    (-1.0, 1.0, 1.0, False), (-1.0, 1.0, -1.0, False),
    (-1.0, 1.0, np.nextafter(np.float32(1), np.float32(2)), True),
    (-1.0, 1.0, np.nan, True), (-1.0, 1.0, -np.inf, True),
    (-np.inf, np.inf, 1e30, False), (-np.inf, np.inf, np.nan, True),
    (0.0, np.inf, 1e30, False), (0.0, np.inf, -1e-30, True),
])
def test_continuous_actions_out_of_bounds(low: float, high: float,
                                          action: float, refused: Any) -> None:
  spec = specs.BoundedArray((2,), np.float32, low, high)
  actions = np.array([[0.5, 0.5], [0.5, action]], np.float32)
  if refused:
    with pytest.raises(ValueError, match='actions is .* but must be at least'):
      batching.check_actions(actions, spec, 2)
  else:
    np.testing.assert_array_equal(
        batching.check_actions(actions, spec, 2), actions)
