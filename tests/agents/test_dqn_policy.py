"""The policies of DQN, and the agent that builds them."""

from acme import specs
import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf.agents import base
from apex_tf.agents import make_agent


def _config(**changes) -> config_lib.Config:
  config = config_lib.Config()
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  config.actor.num_actors = 2
  config.actor.environments_per_actor = 4
  for name, value in changes.items():
    setattr(config.dqn, name, value)
  config.validate()
  return config


def _spec(actions=None, shape=(2, 4), dtype=np.float32):
  return specs.EnvironmentSpec(
      observations=specs.Array(shape, dtype),
      actions=actions or specs.DiscreteArray(3, np.int64),
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0., 1.))


def _observation(batch_size, seed=0):
  return np.random.default_rng(seed).standard_normal(
      (batch_size, 2, 4)).astype(np.float32)


def _dueling_mlp(variables, observation):
  """The forward pass in numpy, from the variables alone, by their names."""
  weights = {v.name.split(':')[0]: v.numpy() for v in variables}

  def linear(x, layer):
    name = next(n for n in weights if f'/{layer}/' in n)
    prefix = name.rsplit('/', 1)[0]
    return x @ weights[f'{prefix}/w'] + weights[f'{prefix}/b']

  inputs = observation.reshape(len(observation), -1)
  x = np.maximum(linear(inputs, 'linear_0'), 0)
  value = linear(np.maximum(linear(x, 'value_hidden'), 0), 'value')
  advantage = linear(np.maximum(linear(x, 'advantage_hidden'), 0), 'advantage')
  return value + advantage - advantage.mean(axis=1, keepdims=True)


@pytest.mark.parametrize('dtype', [np.int8, np.int32, np.int64])
def test_output_is_that_of_brute_force(dtype):
  policy = make_agent(_config(), _spec(
      specs.DiscreteArray(3, dtype))).make_behavior_policy(range(8), seed=1)
  for seed in range(20):
    observation = _observation(8, seed)
    output = policy(observation)
    q_values = _dueling_mlp(policy.variables, observation)
    assert output.action.dtype == dtype
    assert output.action.shape == (8,)
    assert output.action_value.dtype == np.float32
    assert output.bootstrap_value.dtype == np.float32
    for row in range(8):
      assert output.action_value[row] == pytest.approx(
          q_values[row, output.action[row]], rel=1e-4, abs=1e-5)
      assert output.bootstrap_value[row] == pytest.approx(
          max(q_values[row]), rel=1e-4, abs=1e-5)


def test_evaluation_is_greedy_at_epsilon_zero():
  policy = make_agent(_config(), _spec()).make_evaluation_policy(5, seed=1)
  assert policy.metrics() == {
      'epsilon_min': 0.0, 'epsilon_max': 0.0, 'epsilon_mean': 0.0}
  for seed in range(20):
    observation = _observation(5, seed)
    output = policy(observation)
    np.testing.assert_array_equal(
        output.action,
        np.argmax(_dueling_mlp(policy.variables, observation), axis=1))
    np.testing.assert_array_equal(output.action_value, output.bootstrap_value)


def test_evaluation_epsilon_is_that_of_the_configuration():
  policy = make_agent(
      _config(evaluation_epsilon=0.25), _spec()).make_evaluation_policy(2, 0)
  assert policy.metrics() == {
      'epsilon_min': 0.25, 'epsilon_max': 0.25, 'epsilon_mean': 0.25}


def test_second_actor_has_the_upper_half_of_the_ladder():
  policy = make_agent(_config(), _spec()).make_behavior_policy(range(4, 8), 0)
  ladder = [0.4**(1 + i * 7 / 7) for i in range(8)]
  metrics = policy.metrics()
  assert metrics['epsilon_max'] == pytest.approx(ladder[4])
  assert metrics['epsilon_min'] == pytest.approx(ladder[7])
  assert metrics['epsilon_mean'] == pytest.approx(sum(ladder[4:]) / 4)


def test_actors_share_few_epsilons():
  # Eight environments, two epsilons: four of 0.4 and four of 0.4^8.
  policy = make_agent(
      _config(num_epsilons=2), _spec()).make_behavior_policy([2, 3, 4, 5], 0)
  metrics = policy.metrics()
  assert metrics['epsilon_max'] == pytest.approx(0.4)
  assert metrics['epsilon_min'] == pytest.approx(0.4**8)
  assert metrics['epsilon_mean'] == pytest.approx((0.4 + 0.4**8) / 2)


def test_each_environment_has_its_own_epsilon():
  # The last rung of the ladder, 0.5^8, and the first, 0.5.
  config = _config(epsilon_base=0.5)
  policy = make_agent(config, _spec()).make_behavior_policy([7, 0], seed=3)
  observation = _observation(2)
  greedy = np.argmax(_dueling_mlp(policy.variables, observation), axis=1)
  num_calls = 600
  others = sum(policy(observation).action != greedy for _ in range(num_calls))
  for count, epsilon in zip(others, (0.5**8, 0.5)):
    expected = epsilon * 2 / 3  # The uniform action may be the greedy one.
    assert abs(count / num_calls - expected) < 5 * np.sqrt(
        expected * (1 - expected) / num_calls)


def test_same_seed_same_actions():
  agent = make_agent(_config(epsilon_base=1.0), _spec())
  first, second, third = (
      np.stack([policy(_observation(8)).action for _ in range(20)])
      for policy in (agent.make_behavior_policy(range(8), seed)
                     for seed in (1, 1, 2)))
  np.testing.assert_array_equal(first, second)
  assert np.any(first != third)


def test_fetched_variables_change_the_policy():
  agent = make_agent(_config(), _spec())
  learner_step = agent.make_learner_step(seed=7)
  policy = agent.make_evaluation_policy(6, seed=8)
  observation = _observation(6)
  before = policy(observation)
  assert len(policy.variables) == len(learner_step.policy_variables)
  for variable, source in zip(policy.variables, learner_step.policy_variables):
    assert variable.name == source.name
    variable.assign(source)
  after = policy(observation)
  assert np.any(before.bootstrap_value != after.bootstrap_value)
  np.testing.assert_allclose(
      after.bootstrap_value,
      np.max(learner_step.online(observation), axis=1), rtol=1e-5)


@pytest.mark.parametrize('observation', [
    _observation(3), _observation(4)[:, :1], _observation(4).astype(np.uint8)])
def test_refuses_other_batches(observation):
  policy = make_agent(_config(), _spec()).make_evaluation_policy(4, seed=0)
  with pytest.raises(ValueError, match='float32 of shape .4, 2, 4.'):
    policy(observation)


def test_observations_of_minatar():
  spec = _spec(specs.DiscreteArray(6), (1, 10, 10, 4), np.bool_)
  agent = make_agent(_config(network='minatar'), spec)
  output = agent.make_evaluation_policy(2, 0)(
      np.ones((2, 1, 10, 10, 4), np.bool_))
  assert output.action.shape == (2,)


def test_agent_is_chosen_by_name():
  assert isinstance(make_agent(_config(), _spec()), base.Agent)
  with pytest.raises(ValueError, match="agent.name is 'sarsa'.*dqn"):
    config = config_lib.Config()
    config.agent.name = 'sarsa'
    make_agent(config, _spec())


def test_continuous_actions_are_refused():
  spec = _spec(specs.BoundedArray((2,), np.float32, -1., 1.))
  with pytest.raises(ValueError, match='environment.id is .*discrete actions'):
    make_agent(_config(), spec)


@pytest.mark.parametrize('indices', [[8], [-1], []])
def test_indices_outside_of_the_ladder_are_refused(indices):
  with pytest.raises(ValueError, match='environment_indices.*0 to 7'):
    make_agent(_config(), _spec()).make_behavior_policy(indices, seed=0)


def test_unsuitable_network_is_refused():
  with pytest.raises(ValueError, match='dqn.network is .nature.'):
    make_agent(_config(network='nature'), _spec())


@pytest.mark.parametrize('indices, text', [
    ([0], 'ε 0.4'), ([0, 7], 'ε 0.00066 to 0.4')])
def test_exploration_is_told_in_words(indices, text):
  # Of the ladder of eight: 0.4 and 0.4^8.
  policy = make_agent(_config(), _spec()).make_behavior_policy(indices, seed=0)
  assert policy.exploration == text
