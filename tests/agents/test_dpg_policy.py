"""The policies of DPG against numpy, and their noise by its statistics."""

import math

from acme import specs
import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf.agents import base
from apex_tf.agents import make_agent
from tests import actor_critic_oracle as oracle

# Two elements with ranges of their own: halves of 2 and of 0.5.
ACTIONS = specs.BoundedArray((2,), np.float32, [-1.0, 0.0], [3.0, 1.0])


def _config(**changes) -> config_lib.Config:
  config = config_lib.Config()
  config.agent.name = 'dpg'
  config.dpg.policy_hidden_sizes = (8, 6)
  config.dpg.critic_hidden_sizes = (9, 7)
  for name, value in changes.items():
    setattr(config.dpg, name, value)
  config.validate()
  return config


def _spec(actions=ACTIONS, shape=(2, 4), dtype=np.float32):
  return specs.EnvironmentSpec(
      observations=specs.Array(shape, dtype),
      actions=actions,
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0., 1.))


def _observation(batch_size, seed=0, shape=(2, 4)):
  return np.random.default_rng(seed).standard_normal(
      (batch_size,) + shape).astype(np.float32)


def _randomize(policy, seed=1, output_scale=1.0):
  """Other weights than those of an untrained policy; the oracle's networks."""
  values = oracle.random_weights(
      policy.variables, seed, output_scale=output_scale)
  for variable, value in zip(policy.variables, values):
    variable.assign(value)
  return oracle.networks(policy.variables, values)


def _behavior(num_environments=5, noise_scale=0.3, actions=ACTIONS, seed=1):
  return make_agent(_config(noise_scale=noise_scale), _spec(actions)
                    ).make_behavior_policy(range(num_environments), seed)


@pytest.mark.parametrize('noise_scale', [0.3, 2.0])
@pytest.mark.parametrize('shape, dtype', [
    ((), np.float32), ((3,), np.float64), ((2, 2), np.float32)])
def test_values_are_those_of_numpy(noise_scale, shape, dtype):
  """Of the action that is returned, noise and bounds included."""
  actions = specs.BoundedArray(shape, dtype, -0.5, 2.0)
  policy = _behavior(6, noise_scale, actions)
  networks = _randomize(policy)
  for seed in range(20):
    observation = _observation(6, seed)
    output = policy(observation)
    assert output.action.shape == (6,) + shape
    assert output.action.dtype == dtype
    assert output.action_value.dtype == np.float32
    assert output.bootstrap_value.dtype == np.float32
    greedy = oracle.pi(networks.policy, observation, actions)
    np.testing.assert_allclose(
        output.action_value,
        oracle.q(networks.critic, observation, output.action),
        rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        output.bootstrap_value, oracle.q(networks.critic, observation, greedy),
        rtol=1e-4, atol=1e-5)
    # The two values differ, so that it matters which is which.
    assert np.all(np.abs(output.action_value - output.bootstrap_value) > 1e-6)


def test_evaluation_is_the_network_without_noise():
  agent = make_agent(_config(noise_scale=5.0), _spec())
  policy = agent.make_evaluation_policy(5, seed=1)
  networks = _randomize(policy)
  for seed in range(20):
    observation = _observation(5, seed)
    output = policy(observation)
    np.testing.assert_allclose(
        output.action, oracle.pi(networks.policy, observation, ACTIONS),
        rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(output.action_value, output.bootstrap_value)
    np.testing.assert_array_equal(policy(observation).action, output.action)


def _noise(policy, num_calls):
  """(action - greedy) / half_range by call, environment and element."""
  networks = _randomize(policy, output_scale=0.05)
  result = []
  for seed in range(num_calls):
    observation = _observation(3, seed)
    greedy = oracle.pi(networks.policy, observation, ACTIONS)
    result.append((policy(observation).action - greedy) / [2.0, 0.5])
  return np.array(result)


def test_noise_is_that_of_the_configuration():
  """Far from the bounds: they are seven standard deviations away."""
  scale, num_calls = 0.1, 2500
  noise = _noise(_behavior(3, scale), num_calls)
  assert noise.shape == (num_calls, 3, 2)
  # Each environment and element alone, and all of them together.
  for values in (*noise.reshape(num_calls, -1).T, noise.ravel()):
    assert abs(values.mean()) < 5 * scale / np.sqrt(values.size)
    assert abs(values.std() - scale) < 5 * scale / np.sqrt(2 * values.size)
    for z in (-2.0, -1.0, 0.0, 1.0, 2.0):
      share = 0.5 * (1 + math.erf(z / math.sqrt(2)))
      assert abs(np.mean(values < z * scale) - share) < 5 * np.sqrt(
          share * (1 - share) / values.size)
  # Independent between environments, elements and the next call.
  flat = noise.reshape(num_calls, -1)
  correlation = np.corrcoef(np.concatenate([flat[:-1], flat[1:]], axis=1).T)
  others = ~np.eye(len(correlation), dtype=bool)
  assert np.max(np.abs(correlation[others])) < 5 / np.sqrt(num_calls)


def test_noise_beyond_the_bounds_is_clipped():
  """Not squashed and not drawn again: the share at the bounds is known."""
  num_calls = 1500
  policy = _behavior(3, noise_scale=2.0)
  for variable in policy.variables:  # The policy acts in the middle.
    variable.assign(np.zeros(variable.shape))
  actions = np.concatenate([
      policy(_observation(3, seed)).action for seed in range(num_calls)])
  share = 0.5 * (1 - math.erf(0.5 / math.sqrt(2)))  # Beyond half a deviation.
  tolerance = 5 * np.sqrt(share * (1 - share) / len(actions))
  for bound in (ACTIONS.minimum, ACTIONS.maximum):
    at_bound = np.mean(actions == bound, axis=0)
    assert np.all(np.abs(at_bound - share) < tolerance)


@st.composite
def _action_specs(draw):
  shape = draw(st.sampled_from([(), (3,), (2, 2)]))
  number = st.floats(width=32, allow_nan=False, allow_infinity=False,
                     allow_subnormal=False)
  count = int(np.prod(shape))
  pairs = draw(st.lists(st.lists(number, min_size=2, max_size=2, unique=True),
                        min_size=count, max_size=count))
  low, high = np.sort(np.array(pairs, np.float32), axis=1).T
  hypothesis.assume(np.all(low < high))
  return specs.BoundedArray(
      shape, draw(st.sampled_from([np.float32, np.float64])),
      low.reshape(shape), high.reshape(shape))


@hypothesis.settings(deadline=None, max_examples=25)
@hypothesis.given(
    actions=_action_specs(), num_environments=st.integers(1, 5),
    noise_scale=st.sampled_from([0.0, 1e-3, 0.3, 3.0, 1e6]),
    output_scale=st.sampled_from([0.01, 1.0, 1e4]), seed=st.integers(0, 99))
@hypothesis.example(
    specs.BoundedArray((3,), np.float32, [-3e38, -3.4e38, 1e-38],
                       [3e38, 3e38, 2e-38]), 4, 3.0, 1.0, 0)
def test_actions_are_within_bounds(
    actions, num_environments, noise_scale, output_scale, seed):
  policy = _behavior(num_environments, noise_scale, actions, seed)
  _randomize(policy, seed, output_scale)
  for call in range(5):
    action = policy(_observation(num_environments, call)).action
    assert action.shape == (num_environments,) + actions.shape
    assert action.dtype == actions.dtype
    for one in action:
      actions.validate(one)
      assert np.all(one >= actions.minimum) and np.all(one <= actions.maximum)


def test_all_environments_explore_alike():
  agent = make_agent(_config(), _spec())
  first, second, third = (
      np.stack([policy(_observation(2, call)).action for call in range(20)])
      for policy in (agent.make_behavior_policy(indices, seed)
                     for indices, seed in (([0, 1], 1), ([7, 300], 1),
                                           ([0, 1], 2))))
  np.testing.assert_array_equal(first, second)
  assert np.all(first != third)


def test_fetched_variables_are_the_learners():
  agent = make_agent(_config(), _spec())
  learner_step = agent.make_learner_step(seed=7)
  policy = agent.make_evaluation_policy(6, seed=8)
  observation = _observation(6)
  before = policy(observation)
  sources = learner_step.policy_variables
  values = oracle.random_weights(sources, seed=3)
  for source, value in zip(sources, values):
    source.assign(value)
  # Both networks: the actor needs the critic for its priorities.
  assert len(policy.variables) == len(sources) == 2 * 3 * 2
  for variable, source in zip(policy.variables, sources):
    assert (variable.name, variable.shape) == (source.name, source.shape)
    variable.assign(source)
  after = policy(observation)
  assert np.all(before.action != after.action)
  networks = oracle.networks(sources, values)
  action = oracle.pi(networks.policy, observation, ACTIONS)
  np.testing.assert_allclose(after.action, action, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(
      after.bootstrap_value, oracle.q(networks.critic, observation, action),
      rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(
      after.action, learner_step.online.policy(observation), rtol=1e-5)


def test_same_seed_same_networks_in_learner_and_policy():
  """An actor that has not fetched yet acts as its seed says."""
  agent = make_agent(_config(), _spec())
  for variable, source in zip(
      agent.make_behavior_policy([0], seed=4).variables,
      agent.make_learner_step(seed=4).policy_variables):
    np.testing.assert_array_equal(variable, source)


@pytest.mark.parametrize('observation', [
    _observation(3), _observation(4)[:, :1], _observation(4)[0],
    _observation(4).astype(np.float64), _observation(4).astype(np.uint8)])
def test_refuses_other_batches(observation):
  policy = make_agent(_config(), _spec()).make_evaluation_policy(4, seed=0)
  with pytest.raises(ValueError, match='float32 of shape .4, 2, 4.'):
    policy(observation)


@pytest.mark.parametrize('noise_scale, words', [
    (0.3, 'σ 0.3'), (0.125, 'σ 0.12'), (1.0, 'σ 1'), (0.0, '')])
def test_exploration_in_words_and_in_numbers(noise_scale, words):
  policy = _behavior(noise_scale=noise_scale)
  assert policy.exploration == words
  assert policy.metrics() == {'noise_scale': noise_scale}


def test_evaluation_says_that_it_does_not_explore():
  policy = make_agent(_config(), _spec()).make_evaluation_policy(2, seed=0)
  assert policy.exploration == ''
  assert policy.metrics() == {'noise_scale': 0.0}


def test_agent_is_chosen_by_name():
  agent = make_agent(_config(), _spec())
  assert isinstance(agent, base.Agent)
  assert isinstance(agent.make_evaluation_policy(1, 0), base.Policy)
  assert isinstance(agent.make_learner_step(0), base.LearnerStep)
  with pytest.raises(ValueError, match='continuous actions'):
    make_agent(_config(), _spec(specs.DiscreteArray(3)))
