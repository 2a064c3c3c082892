"""Multi-step returns against hand-worked numbers and a recursive oracle."""

import hypothesis
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

from apex_tf import returns


def _float32(*values: float) -> np.ndarray:
  return np.array(values, np.float32)


@pytest.mark.parametrize('rewards, discounts, gamma, expected', [
    ([2.], [1.], 0.9, (2., 0.9)),
    ([1., 2., 4.], [1., 1., 1.], 0.5, (3., 0.125)),
    # A life lost at the second step: its reward counts, the third does not.
    ([1., 2., 4.], [1., 0., 1.], 0.5, (2., 0.)),
    ([1., 2., 4.], [1., 1., 0.], 0.5, (3., 0.)),
    ([1., 2., 4.], [0., 1., 1.], 0.5, (1., 0.)),
    ([1., 2.], [1., 1.], 0.0, (1., 0.)),
    ([1., 2.], [1., 1.], 1.0, (3., 1.)),
])
def test_the_longest_return_by_hand(rewards, discounts, gamma, expected):
  result = returns.multi_step_returns(
      _float32(*rewards), _float32(*discounts), gamma)
  for values, target in zip(result, expected):
    assert values.dtype == np.float32
    assert values.shape == (len(rewards),)
    assert values[0] == pytest.approx(target)


def test_all_returns_by_hand():
  found, bootstraps = returns.multi_step_returns(
      _float32(1., 2., 4., 8.), _float32(1., 0., 1., 1.), 0.5)
  np.testing.assert_array_equal(found, [2., 2., 8., 8.])
  np.testing.assert_array_equal(bootstraps, [0., 0., 0.25, 0.5])


def _recursive(rewards, discounts, gamma):
  """Bellman's recursion from the front, in double precision."""
  if not len(rewards):
    return 0.0, 1.0
  rest, bootstrap_discount = _recursive(rewards[1:], discounts[1:], gamma)
  discount = gamma * float(discounts[0])
  return float(rewards[0]) + discount * rest, discount * bootstrap_discount


@st.composite
def _steps(draw):
  shape = (draw(st.integers(1, 8)), draw(st.integers(1, 4)))
  rewards = draw(hnp.arrays(
      np.float32, shape, elements=st.floats(-100, 100, width=32)))
  discounts = draw(hnp.arrays(
      np.float32, shape, elements=st.sampled_from([0., 1., 1., 1., 0.5])))
  return rewards, discounts, draw(st.floats(0, 1))


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(_steps())
def test_returns_are_those_of_the_recursion(steps):
  rewards, discounts, gamma = steps
  kept = rewards.copy(), discounts.copy()
  found, bootstraps = returns.multi_step_returns(*steps)
  np.testing.assert_array_equal((rewards, discounts), kept)
  assert found.dtype == bootstraps.dtype == np.float32
  assert found.shape == bootstraps.shape == rewards.shape
  for column in range(rewards.shape[1]):
    for first in range(rewards.shape[0]):
      expected = _recursive(
          rewards[first:, column], discounts[first:, column], gamma)
      np.testing.assert_allclose(
          found[first, column], expected[0], rtol=1e-4, atol=1e-3)
      np.testing.assert_allclose(
          bootstraps[first, column], expected[1], rtol=1e-5, atol=1e-7)
    # One column alone gives the same numbers as the batch.
    alone = returns.multi_step_returns(
        np.ascontiguousarray(rewards[:, column]),
        np.ascontiguousarray(discounts[:, column]), gamma)
    np.testing.assert_array_equal(alone, (found[:, column],
                                          bootstraps[:, column]))


@pytest.mark.parametrize('rewards, discounts, words', [
    (np.ones(3), np.ones(3, np.float32), 'rewards is of type float64'),
    (np.ones(3, np.float32), [1., 1., 1.], 'discounts is of type list'),
    (np.ones(3, np.float32), np.ones(2, np.float32), 'must be equal'),
    (np.ones(0, np.float32), np.ones(0, np.float32), 'k at least 1'),
    (np.float32(1), np.float32(1), 'k at least 1'),
    (np.ones((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32), 'batch'),
])
def test_returns_refuse(rewards, discounts, words):
  with pytest.raises(ValueError, match=words):
    returns.multi_step_returns(rewards, discounts, 0.9)


def test_initial_priority_by_hand():
  priority = returns.initial_priority(
      n_step_return=_float32(1., 1., -2.),
      bootstrap_discount=_float32(0.5, 0., 0.25),
      bootstrap_value=_float32(4., 100., 8.),
      action_value=_float32(2., 3., 0.))
  # |1 + 2 - 2|, |1 + 0 - 3|, |-2 + 2 - 0|.
  assert priority.dtype == np.float32
  np.testing.assert_allclose(priority, [1., 2., 0.])


def test_initial_priority_of_one_transition():
  priority = returns.initial_priority(
      *np.array([1, 0.5, 4, 5], np.float32)[:, None])
  assert priority == [2]


def test_initial_priority_is_the_td_error_of_the_return():
  rng = np.random.default_rng(5)
  rewards, values = rng.standard_normal((2, 3)).astype(np.float32)
  found, discounts = returns.multi_step_returns(
      rewards, np.ones(3, np.float32), 0.99)
  expected = abs(rewards[0] + .99 * (rewards[1] + .99 * (
      rewards[2] + .99 * values[0])) - values[1])
  assert returns.initial_priority(
      found[0], discounts[0], np.asarray(values[0]),
      np.asarray(values[1])) == pytest.approx(expected, rel=1e-5)


def test_initial_priority_refuses_other_shapes_and_types():
  one = np.ones(2, np.float32)
  with pytest.raises(ValueError, match='must be equal'):
    returns.initial_priority(one, one, one, one[:1])
  with pytest.raises(ValueError, match='action_value is of type float64'):
    returns.initial_priority(one, one, one, np.ones(2))
