"""Continuous actions of gymnasium, as an environment gets to see them."""

from typing import Any, List

import gymnasium
import numpy as np
import pytest

from apex_tf.environments import gymnasium_vector
from apex_tf.environments.gymnasium_vector import GymnasiumVectorEnvironment


def _play(environment: GymnasiumVectorEnvironment,
          actions: np.ndarray) -> None:
  """A step for each row of actions."""
  environment.reset()
  for row in actions:
    environment.step(row)


class _Throttle(gymnasium.Env):
  """Takes actions of an odd Box, and refuses what is not in it."""

  observation_space = gymnasium.spaces.Box(-1, 1, (1,))

  def __init__(self, space: gymnasium.spaces.Box):
    self.action_space = space
    self.actions: List[np.ndarray] = []

  def reset(self, *, seed: Any = None, options: Any = None) -> Any:
    return np.zeros(1, np.float32), {}

  def step(self, action: Any) -> Any:
    assert self.action_space.contains(action), action
    self.actions.append(action)
    return np.zeros(1, np.float32), 0.0, False, False, {}


@pytest.mark.parametrize('dtype', [np.float32, np.float64, np.float16])
def test_finite_boxes_have_actions_from_minus_one_to_one(dtype: Any) -> None:
  low = np.array([[-0.1, 0.0], [3.0, -1e4]], dtype)
  high = np.array([[0.1, 0.7], [3.0, 1.0]], dtype)
  made: List[_Throttle] = []
  def make() -> gymnasium.Env:
    made.append(_Throttle(gymnasium.spaces.Box(low, high, dtype=dtype)))
    return made[-1]
  environment = GymnasiumVectorEnvironment(make, 2, 0)
  spec = environment.action_spec()
  assert (spec.shape, spec.dtype) == ((2, 2), np.float32)
  np.testing.assert_array_equal(spec.minimum, -np.ones((2, 2)))
  np.testing.assert_array_equal(spec.maximum, np.ones((2, 2)))
  rng = np.random.default_rng(0)
  actions = rng.uniform(-1, 1, (50, 2, 2, 2)).astype(np.float32)
  actions[10:12] = [[[[-1]], [[1]]], [[[0]], [[0]]]]
  _play(environment, actions)
  shares = (actions.astype(np.float64) + 1) / 2
  for index, throttle in enumerate(made):
    np.testing.assert_allclose(
        np.array(throttle.actions, np.float64),
        low + (high.astype(np.float64) - low) * shares[:, index],
        rtol=np.finfo(dtype).eps, atol=1e4 * np.finfo(dtype).eps)
  np.testing.assert_array_equal(made[0].actions[10], low)
  np.testing.assert_array_equal(made[1].actions[10], high)


def test_a_box_without_bounds_keeps_its_actions() -> None:
  space = gymnasium.spaces.Box(np.array([-np.inf, -3.0]),
                               np.array([np.inf, 3.0]), dtype=np.float32)
  made: List[_Throttle] = []
  def make() -> gymnasium.Env:
    made.append(_Throttle(space))
    return made[-1]
  environment = GymnasiumVectorEnvironment(make, 1, 0)
  spec = environment.action_spec()
  np.testing.assert_array_equal(spec.minimum, [-np.inf, -3])
  np.testing.assert_array_equal(spec.maximum, [np.inf, 3])
  _play(environment, np.array([[[77.5, 2.5]]], np.float32))
  np.testing.assert_array_equal(made[0].actions, [[77.5, 2.5]])


def test_a_box_of_integers_is_refused() -> None:
  space = gymnasium.spaces.Box(0, 3, (2,), np.int64)
  with pytest.raises(ValueError, match='but must be Discrete or a Box of fl'):
    GymnasiumVectorEnvironment(lambda: _Throttle(space), 1, 0)


def test_box_action_spec_lies_within_the_space() -> None:
  space = gymnasium.spaces.Box(
      np.array([-0.1, -1.0, -np.inf]), np.array([0.1, 0.7, np.inf]),
      dtype=np.float64)
  spec = gymnasium_vector.make_action_spec(space)
  assert (spec.shape, spec.dtype) == ((3,), np.float32)
  # float32(0.1) > 0.1: one step further in.
  assert (spec.minimum.astype(np.float64) >= space.low).all()
  assert (spec.maximum.astype(np.float64) <= space.high).all()
  np.testing.assert_allclose(spec.minimum, space.low, rtol=1e-6)
  np.testing.assert_allclose(spec.maximum, space.high, rtol=1e-6)
