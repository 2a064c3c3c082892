"""Policy and critic of DPG against tanh networks in numpy."""

from acme import specs
import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest
import tensorflow as tf

from apex_tf import networks
from tests import actor_critic_oracle as oracle

SHAPES = [(), (3,), (2, 2)]


def _spec(shape, minimum=-1.0, maximum=1.0):
  return specs.BoundedArray(shape, np.float32, minimum, maximum)


def _build(spec, seed=0, policy_sizes=(7, 5), critic_sizes=(6, 4),
           observation_shape=(2, 3)):
  """Both networks with their variables."""
  both = networks.ActorCritic(
      policy_sizes, critic_sizes, specs.Array(observation_shape, np.float32),
      spec, seed)
  for variable, other in zip(both.learned_variables, (
      *both.policy.trainable_variables, *both.critic.trainable_variables)):
    assert variable is other
  return both.policy, both.critic


def _assign(modules, seed, **scales):
  """Random weights; the oracle's networks with the same."""
  variables = [v for m in modules for v in m.trainable_variables]
  values = oracle.random_weights(variables, seed, **scales)
  for variable, value in zip(variables, values):
    variable.assign(value)
  return oracle.networks(variables, values)


def _normal(*shape, seed=0):
  return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('graph', [True, False])
@pytest.mark.parametrize('sizes', [(7, 5), (4,), (3, 3, 3)])
def test_both_are_the_networks_of_numpy(shape, graph, sizes):
  size = int(np.prod(shape))
  rng = np.random.default_rng(5)
  spec = _spec(shape, rng.uniform(-5, 0, shape), rng.uniform(1, 9, shape))
  policy, critic = _build(spec, policy_sizes=sizes, critic_sizes=sizes[::-1])
  expected = _assign((policy, critic), seed=1)
  if graph:
    policy, critic = tf.function(policy), tf.function(critic)
  observation = _normal(16, 2, 3)
  action = policy(observation)
  assert action.shape == (16, size) and action.dtype == tf.float32
  np.testing.assert_allclose(
      action, oracle.pi(expected.policy, observation, spec), rtol=1e-4,
      atol=1e-5)
  other = _normal(16, size, seed=1)
  for one in (action, tf.constant(other)):
    value = critic(observation, one)
    assert value.shape == (16,) and value.dtype == tf.float32
    np.testing.assert_allclose(
        value, oracle.q(expected.critic, observation, one.numpy()), rtol=1e-4,
        atol=1e-5)
  # The test means something: the actions are many, and so are their values.
  assert np.all(np.std(action, axis=0) > 0.02)
  assert np.std(value) > 0.02


def test_sizes_of_the_paper():
  # Humanoid: 67 features and 21 actions.
  policy, critic = _build(_spec((21,)), 0, (300, 200), (400, 300), (1, 67))
  count = lambda module: sum(  # noqa: E731
      v.shape.num_elements() for v in module.trainable_variables)
  assert count(policy) == (67 * 300 + 300) + (300 * 200 + 200) + (
      200 * 21 + 21)
  assert count(critic) == (88 * 400 + 400) + (400 * 300 + 300) + (300 + 1)


def test_an_untrained_policy_acts_near_the_middle():
  spec = _spec((3,), [-1.0, 0.0, -8.0], [1.0, 10.0, -2.0])
  policy, critic = _build(spec, 0, (300, 200), (400, 300))
  observation = _normal(64, 2, 3)
  action = policy(observation).numpy()
  place = (action - [0.0, 5.0, -5.0]) / [1.0, 5.0, 3.0]
  assert 0 < np.max(np.abs(place)) < 0.3
  assert 0 < np.max(np.abs(critic(observation, action))) < 0.3


def test_same_seed_same_weights_whatever_was_drawn_before():
  first = _build(_spec((3,)), seed=3)
  tf.random.set_seed(99)
  tf.random.uniform([5])
  second, third = _build(_spec((3,)), seed=3), _build(_spec((3,)), seed=4)
  for one, two, three in zip(first, second, third):
    assert len(one.trainable_variables) == 6
    for a, b, c in zip(one.variables, two.variables, three.variables):
      np.testing.assert_array_equal(a, b)
      assert a.shape.rank == 1 or np.all(a.numpy() != c.numpy())


def test_integer_observations_keep_their_values():
  policy, critic = _build(_spec((3,)))
  expected = _assign((policy, critic), seed=1)
  observation = np.arange(12, dtype=np.int32).reshape(2, 2, 3) % 5
  action = policy(observation)
  np.testing.assert_allclose(
      action, oracle.pi(expected.policy, observation, _spec((3,))), rtol=1e-4)
  np.testing.assert_allclose(
      critic(observation, action),
      oracle.q(expected.critic, observation, action.numpy()), rtol=1e-4)


def test_bounds_of_one_number_hold_for_all_elements():
  spec = specs.BoundedArray((2, 2), np.float64, -0.5, [[1.0, 2.0], [3.0, 4.0]])
  bounds = networks.ActorCritic(
      (3,), (3,), specs.Array((1, 2), np.float32), spec, seed=0).bounds
  np.testing.assert_array_equal(bounds.minimum, [-0.5] * 4)
  np.testing.assert_array_equal(bounds.maximum, [1.0, 2.0, 3.0, 4.0])
  np.testing.assert_array_equal(bounds.middle, [0.25, 0.75, 1.25, 1.75])
  np.testing.assert_array_equal(bounds.half_range, [0.75, 1.25, 1.75, 2.25])
  assert bounds.minimum.dtype == bounds.half_range.dtype == np.float32
  assert bounds.size == 4
  actions = np.arange(8, dtype=np.float64).reshape(2, 2, 2)
  flat = bounds.flatten(actions)
  assert flat.dtype == tf.float32
  np.testing.assert_array_equal(flat, [[0, 1, 2, 3], [4, 5, 6, 7]])
  back = bounds.unflatten(flat.numpy())
  assert back.dtype == np.float64  # The spec's.
  np.testing.assert_array_equal(back, actions)


@st.composite
def _specs(draw):
  """Any finite bounds of float32, low < high; subnormal numbers aside."""
  shape = draw(st.sampled_from(SHAPES))
  number = st.floats(width=32, allow_nan=False, allow_infinity=False,
                     allow_subnormal=False)
  count = int(np.prod(shape))
  pairs = draw(st.lists(st.lists(number, min_size=2, max_size=2, unique=True),
                        min_size=count, max_size=count))
  low, high = np.sort(np.array(pairs, np.float32), axis=1).T
  hypothesis.assume(np.all(low < high))
  return _spec(shape, low.reshape(shape), high.reshape(shape))


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(spec=_specs(), seed=st.integers(0, 99),
                  scale=st.sampled_from([0.1, 1.0, 100.0, 1e6]))
@hypothesis.example(  # A range that float32 does not hold.
    spec=_spec((3,), [-3e38, -3.4e38, 1e-38], [3e38, 3e38, 2e-38]), seed=0,
    scale=1.0)
@hypothesis.example(  # Neighbouring numbers.
    spec=_spec((), 0.1, np.nextafter(np.float32(0.1), np.float32(1))), seed=0,
    scale=1.0)
def test_bounds_are_never_exceeded(spec, seed, scale):
  policy, critic = _build(spec)
  expected = _assign((policy, critic), seed, output_scale=scale)
  observation = _normal(32, 2, 3, seed=seed)
  action = policy(observation).numpy()
  low, high = (np.reshape(b, -1) for b in (spec.minimum, spec.maximum))
  assert np.all(action >= low) and np.all(action <= high)
  # Close to the oracle, as far as the range and float32 allow.
  half_range = high / 2.0 - low / 2.0
  # TensorFlow takes numbers below 2^-126 for 0.
  tolerance = (1e-4 * half_range.astype(np.float64) * max(1.0, scale) +
               2**-22 * np.maximum(np.abs(low), np.abs(high)) + 1e-37)
  wanted = oracle.pi(expected.policy, observation, spec)
  assert np.all(np.abs(action - wanted) <= tolerance)
  if scale == 1e6 and np.all(half_range > 1e-3 * np.maximum(
      np.abs(low), np.abs(high))) and np.all(half_range > 1e-30):
    # Nearly all saturate, and reach their bounds exactly or by a rounding.
    at_bound = (np.abs(action - low) <= 1e-3 * half_range) | (
        np.abs(action - high) <= 1e-3 * half_range)
    assert np.mean(at_bound) > 0.9


def test_critic_needs_an_action_for_each_observation():
  _, critic = _build(_spec((3,)))
  with pytest.raises(Exception, match='(?i)dimension|shape|rank'):
    critic(_normal(4, 2, 3), _normal(3, 3))
