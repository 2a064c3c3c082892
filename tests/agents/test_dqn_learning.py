"""The learner step against an independent numpy implementation."""

from acme import specs
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from apex_tf import config as config_lib
from apex_tf import types
from apex_tf.agents import make_agent
from apex_tf.agents.dqn import learning
from apex_tf.agents.dqn import rmsprop

METRICS = {
    'loss', 'gradient_norm', 'mean_q', 'td_error_p10', 'td_error_p50',
    'td_error_p90', 'weight_mean', 'weight_min'
}
NUM_ACTIONS = 3


class LinearQ(snt.Module):
  """q(s) = s W: a network whose gradient fits on a line."""

  def __init__(self, weights: np.ndarray):
    super().__init__()
    self.weights = tf.Variable(weights, dtype=tf.float32)

  def __call__(self, observation: tf.Tensor) -> tf.Tensor:
    return observation[:, 0] @ self.weights


def _batch(seed, batch_size=6, num_features=4, scale=1.0):
  rng = np.random.default_rng(seed)
  normal = lambda: rng.standard_normal(  # noqa: E731
      (batch_size, 1, num_features)).astype(np.float32)
  return types.Transition(
      observation_tm1=normal(),
      action_tm1=rng.integers(NUM_ACTIONS, size=batch_size).astype(np.int32),
      n_step_return=(scale * rng.standard_normal(batch_size)).astype(
          np.float32),
      bootstrap_discount=rng.choice(
          [0., 0.97], size=batch_size).astype(np.float32),
      observation_t=normal()), rng.uniform(
          0.2, 1, batch_size).astype(np.float32)


class NumpyDQN:
  """The whole step in double precision, one transition at a time."""

  def __init__(self, weights, learning_rate, decay, epsilon, max_norm, period):
    self.online, self.target = weights.copy(), weights.copy()
    self.square = self.mean = np.zeros_like(weights)
    self.settings = learning_rate, decay, epsilon, max_norm, period
    self.num_steps = 0

  def step(self, batch, importance_weights):
    learning_rate, decay, epsilon, max_norm, period = self.settings
    gradient = np.zeros_like(self.online)
    td_errors, loss, values = [], 0.0, []
    size = len(importance_weights)
    for s_tm1, a_tm1, r, discount, s_t, w in zip(*batch, importance_weights):
      best = np.argmax(s_t[0] @ self.online)
      value = s_tm1[0] @ self.online[:, a_tm1]
      delta = r + discount * (s_t[0] @ self.target[:, best]) - value
      gradient[:, a_tm1] -= w * delta * s_tm1[0] / size
      loss += w * delta**2 / 2 / size
      td_errors.append(delta)
      values.append(value)
    norm = np.sqrt(np.sum(gradient**2))
    if norm > max_norm:
      gradient *= max_norm / norm
    self.square = decay * self.square + (1 - decay) * gradient**2
    self.mean = decay * self.mean + (1 - decay) * gradient
    self.online = self.online - learning_rate * gradient / np.sqrt(
        self.square - self.mean**2 + epsilon)
    self.num_steps += 1
    if self.num_steps % period == 0:
      self.target = self.online.copy()
    absolute = np.abs(td_errors)
    return np.array(td_errors), {
        'loss': loss,
        'gradient_norm': norm,
        'mean_q': np.mean(values),
        'td_error_p10': np.percentile(absolute, 10),
        'td_error_p50': np.percentile(absolute, 50),
        'td_error_p90': np.percentile(absolute, 90),
        'weight_mean': np.mean(importance_weights),
        'weight_min': np.min(importance_weights),
    }


@pytest.mark.parametrize('graph', [True, False])
@pytest.mark.parametrize('max_norm', [0.05, 40.0])
def test_steps_are_those_of_numpy(graph, max_norm):
  """Twelve steps, four copies into the target, with and without clipping."""
  weights = np.random.default_rng(1).standard_normal((4, NUM_ACTIONS))
  oracle = NumpyDQN(weights, 0.01, 0.95, 1e-4, max_norm, period=3)
  online, target = LinearQ(weights), LinearQ(np.zeros_like(weights))
  learner_step = learning.DQNLearnerStep(
      online, target,
      rmsprop.CenteredRMSProp(online.trainable_variables, 0.01, 0.95, 1e-4),
      max_gradient_norm=max_norm, target_update_period=3)
  np.testing.assert_array_equal(target.weights, online.weights)
  # From here on the two differ, so that it matters which selects actions.
  oracle.target = -weights
  target.weights.assign(oracle.target)
  norms = []
  tf.config.run_functions_eagerly(not graph)
  try:
    for seed in range(12):
      batch, importance_weights = _batch(seed)
      output = learner_step(batch, tf.constant(importance_weights))
      td_errors, metrics = oracle.step(batch, importance_weights)
      np.testing.assert_allclose(
          output.td_error, td_errors, rtol=1e-3, atol=1e-4)
      assert set(output.metrics) == METRICS
      for name, value in output.metrics.items():
        assert float(value) == pytest.approx(
            metrics[name], rel=1e-3, abs=1e-4), name
      np.testing.assert_allclose(
          online.weights, oracle.online, rtol=1e-3, atol=1e-4)
      np.testing.assert_allclose(
          target.weights, oracle.target, rtol=1e-3, atol=1e-4)
      norms.append(metrics['gradient_norm'])
  finally:
    tf.config.run_functions_eagerly(False)
  # The test means something: the clip binds always or never.
  assert (min(norms) > max_norm) == (max_norm == 0.05)


def _agent(**changes):
  config = config_lib.Config()
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  for name, value in changes.items():
    setattr(config.dqn, name, value)
  config.validate()
  return make_agent(config, specs.EnvironmentSpec(
      observations=specs.Array((1, 4), np.float32),
      actions=specs.DiscreteArray(NUM_ACTIONS),
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0., 1.)))


def _values(variables):
  return [v.numpy() for v in variables]


def test_variables_exist_before_the_first_step():
  learner_step = _agent().make_learner_step(seed=0)
  # Online, target, mean and variance of 2 x 5 layers' tensors, and a counter.
  assert len(learner_step.variables) == 4 * 10 + 1
  assert len(learner_step.policy_variables) == 10
  before = {v.ref() for v in learner_step.variables}
  learner_step(*_batch(0))
  assert {v.ref() for v in learner_step.variables} == before


def test_target_is_copied_exactly_at_the_period():
  learner_step = _agent(target_update_period=4).make_learner_step(seed=0)
  start = _values(learner_step.online.variables)
  for a, b in zip(start, learner_step.target.variables):
    np.testing.assert_array_equal(a, b)
  expected = start
  for step in range(1, 10):
    learner_step(*_batch(step))
    assert int(learner_step.num_steps) == step
    online = _values(learner_step.online.variables)
    assert any(np.any(a != b) for a, b in zip(online, expected))
    if step in (4, 8):
      expected = online
    for a, b in zip(expected, learner_step.target.variables):
      np.testing.assert_array_equal(a, b)


def test_loss_of_one_batch_decreases():
  learner_step = _agent(learning_rate=1e-3).make_learner_step(seed=0)
  batch, weights = _batch(0, batch_size=32)
  losses = [float(learner_step(batch, weights).metrics['loss'])
            for _ in range(200)]
  assert losses[-1] < 0.1 * losses[0]


def test_td_error_is_that_before_the_update():
  learner_step = _agent().make_learner_step(seed=0)
  batch, weights = _batch(0)
  q_tm1 = learner_step.online(batch.observation_tm1).numpy()
  selector = learner_step.online(batch.observation_t).numpy()
  rows = np.arange(6)
  expected = (batch.n_step_return + batch.bootstrap_discount *
              np.max(selector, axis=1) - q_tm1[rows, batch.action_tm1])
  td_error = learner_step(batch, weights).td_error
  assert td_error.dtype == tf.float32
  np.testing.assert_allclose(td_error, expected, rtol=1e-4, atol=1e-5)


def test_importance_weights_of_zero_change_nothing():
  learner_step = _agent().make_learner_step(seed=0)
  before = _values(learner_step.policy_variables)
  output = learner_step(_batch(0)[0], tf.zeros(6))
  assert float(output.metrics['loss']) == 0
  for a, b in zip(before, learner_step.policy_variables):
    np.testing.assert_array_equal(a, b)


def test_same_seed_same_learning():
  first, second, third = (
      _agent().make_learner_step(seed=seed) for seed in (5, 5, 6))
  for learner_step in (first, second, third):
    for step in range(5):
      learner_step(*_batch(step))
  assert any(np.any(a != b) for a, b in zip(
      _values(first.policy_variables), _values(third.policy_variables)))
  for a, b in zip(first.variables, second.variables):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('batch_size', [1, 2, 7])
def test_takes_any_batch_size(batch_size):
  batch, weights = _batch(0, batch_size)
  output = _agent().make_learner_step(seed=0)(batch, weights)
  assert output.td_error.shape == (batch_size,)
  absolute = np.abs(output.td_error)
  for percent in (10, 50, 90):
    assert float(output.metrics[f'td_error_p{percent}']) == pytest.approx(
        np.percentile(absolute, percent), rel=1e-5)


def test_checkpoint_holds_everything(tmp_path):
  first = _agent(target_update_period=3).make_learner_step(seed=1)
  for step in range(5):
    first(*_batch(step))
  path = tf.train.Checkpoint(step=first).write(str(tmp_path / 'checkpoint'))
  second = _agent(target_update_period=3).make_learner_step(seed=2)
  status = tf.train.Checkpoint(step=second).read(path)
  status.assert_consumed()
  for step in range(5, 10):
    outputs = [learner_step(*_batch(step)) for learner_step in (first, second)]
    np.testing.assert_array_equal(outputs[0].td_error, outputs[1].td_error)
  for a, b in zip(first.variables, second.variables):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('field, value, words', [
    ('action_tm1', np.zeros((6, 1), np.int32), 'a_tm1 has rank 2'),
    ('n_step_return', np.zeros(6), 'n_step_return is of dtype float64'),
    ('observation_t', np.zeros(6, np.float32), 'observation has shape'),
])
def test_refuses_other_batches(field, value, words):
  batch, weights = _batch(0)
  with pytest.raises(ValueError, match=words):
    _agent().make_learner_step(seed=0)(
        batch._replace(**{field: value}), weights)
