"""The update of DPG against finite differences in double precision."""


import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from apex_tf.agents.dpg import learning
from tests import dpg_learner_steps as steps
from tests import dpg_step_oracle


@pytest.fixture(name='actions', params=[
    ('scalar', 'graph'), ('vector', 'graph'), ('matrix', 'graph'),
    ('vector', 'eager')], ids='-'.join)
def fixture_actions(request):
  """The spec of actions; the test runs in a graph or without."""
  name, mode = request.param
  tf.config.run_functions_eagerly(mode == 'eager')
  yield steps.SPECS[name]
  tf.config.run_functions_eagerly(False)


def test_steps_are_those_of_numpy(actions):
  """Seven steps of Adam from targets of their own, which are copied twice."""
  learner_step = steps.make_agent(
      actions, learning_rate=0.01,
      target_update_period=3).make_learner_step(seed=0)
  # Some of the policy's actions saturate.
  steps.randomize(learner_step.online, seed=1, output_scale=4.0)
  steps.randomize(learner_step.target, seed=2)
  expected = dpg_step_oracle.NumpyDPG(learner_step, actions)
  all_metrics = []
  for seed in range(7):
    batch, weights = steps.make_batch(seed, actions)
    output = learner_step(batch, tf.constant(weights))
    assert output.td_error.dtype == tf.float32
    np.testing.assert_allclose(
        output.td_error, expected.td_error(batch), rtol=1e-3, atol=1e-4)
    metrics = expected.metrics(batch, weights)
    assert set(output.metrics) == set(metrics) == steps.METRICS
    for name, value in output.metrics.items():
      assert value.shape == () and value.dtype == tf.float32
      assert float(value) == pytest.approx(
          metrics[name], rel=1e-3, abs=1e-4), name
    expected.adam(expected.gradients(batch, weights), 0.01)
    if seed % 3 == 2:
      expected.target = [value.copy() for value in expected.online]
    steps.assert_close(learner_step.online.learned_variables, expected.online)
    steps.assert_close(learner_step.target.learned_variables, expected.target)
    steps.assert_close(learner_step.policy_optimizer.m,
                  expected.first[:expected.num_policy], atol=1e-5)
    steps.assert_close(learner_step.critic_optimizer.m,
                  expected.first[expected.num_policy:], atol=1e-5)
    all_metrics.append(metrics)
  # The test means something: the clip binds for some elements.
  clipped = [metrics['action_gradient_clipped'] for metrics in all_metrics]
  assert 0 < np.mean(clipped) < 1
  saturated = [metrics['action_saturation'] for metrics in all_metrics]
  assert 0 < np.mean(saturated) < 1


def _descent(actions, seed=1, clip=1.0, **scales):
  """A step of gradient descent with rate 1: minus the change is the gradient.
  """
  learner_step = steps.make_agent(actions).make_learner_step(seed=0)
  result = learning.DPGLearnerStep(
      learner_step.online, learner_step.target, snt.optimizers.SGD(1.0),
      snt.optimizers.SGD(1.0), clip, target_update_period=100)
  steps.randomize(result.online, seed, **scales)
  steps.randomize(result.target, seed + 1, **scales)
  return result, dpg_step_oracle.NumpyDPG(result, actions, clip)


def _changes(learner_step, batch, weights):
  """Minus the change of each online variable in one step."""
  before = dpg_step_oracle.to_double(learner_step.online.learned_variables)
  learner_step(batch, tf.constant(weights))
  after = dpg_step_oracle.to_double(learner_step.online.learned_variables)
  return [b - a for b, a in zip(before, after)]


@pytest.mark.parametrize('clip', [1e-3, 0.5, 1e6])
def test_gradients_are_those_of_finite_differences(actions, clip):
  learner_step, expected = _descent(actions, clip=clip)
  batch, weights = steps.make_batch(3, actions)
  gradients = expected.gradients(batch, weights)
  share = np.mean(np.abs(expected.action_gradient(batch)) > clip)
  assert share > 0.9 if clip == 1e-3 else share == 0 if clip == 1e6 else (
      0 < share < 1)
  for change, gradient in zip(
      _changes(learner_step, batch, weights), gradients):
    np.testing.assert_allclose(change, gradient, rtol=1e-3, atol=1e-5)


def test_action_gradient_is_clipped_in_each_element():
  """One element of dq/da beyond the clip leaves the other as it is."""
  actions = steps.SPECS['vector']
  learner_step, expected = _descent(actions)
  batch, weights = steps.make_batch(3, actions)
  by_element = np.clip(expected.action_gradient(batch), -1.0, 1.0)
  raw = expected.action_gradient(batch)
  norm = np.linalg.norm(raw, axis=1, keepdims=True)
  by_norm = raw * np.minimum(1.0, 1.0 / norm)
  # Of some transition one element is clipped, the other is not.
  assert np.any(np.sum(np.abs(raw) > 1, axis=1) == 1)
  assert np.any(np.abs(by_element - by_norm) > 0.05)
  gradients = expected.policy_gradients(batch)
  expected.action_gradient = lambda _: by_norm
  others = expected.policy_gradients(batch)
  assert steps.differ(gradients, others, 1e-3)
  changes = _changes(learner_step, batch, weights)[:expected.num_policy]
  for change, gradient in zip(changes, gradients):
    np.testing.assert_allclose(change, gradient, rtol=1e-3, atol=1e-5)


def test_a_saturated_policy_does_not_move():
  """Its gradient vanishes through tanh, whatever the critic wants."""
  actions = steps.SPECS['vector']
  learner_step, _ = _descent(actions, output_scale=1000.0)
  batch, weights = steps.make_batch(3, actions)
  before = steps.values(learner_step.online.policy.trainable_variables)
  metrics = learner_step(batch, tf.constant(weights)).metrics
  assert float(metrics['action_saturation']) == 1
  assert float(metrics['action_gradient_clipped']) > 0.5
  assert float(metrics['policy_gradient_norm']) < 1e-3
  steps.assert_close(learner_step.online.policy.trainable_variables, before,
                rtol=0, atol=1e-3)


def test_both_are_updated_from_the_variables_before():
  actions = steps.SPECS['vector']
  learner_step, expected = _descent(actions)
  batch, weights = steps.make_batch(3, actions)
  gradients = expected.gradients(batch, weights)
  # What the policy's would be, had the critic gone first.
  for value, gradient in zip(expected.online[expected.num_policy:],
                             gradients[expected.num_policy:]):
    value -= gradient
  assert steps.differ(gradients, expected.policy_gradients(batch))
  for change, gradient in zip(
      _changes(learner_step, batch, weights), gradients):
    np.testing.assert_allclose(change, gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('which', ['policy', 'critic'])
def test_bootstrap_value_is_of_the_target(which):
  """With one of the target's two networks unlike the online one."""
  learner_step = steps.make_agent().make_learner_step(seed=0)
  steps.randomize(learner_step.online, seed=1)
  steps.randomize(learner_step.target, seed=2)
  for network in {'policy', 'critic'} - {which}:
    for source, target in zip(
        getattr(learner_step.online, network).trainable_variables,
        getattr(learner_step.target, network).trainable_variables):
      target.assign(source)
  expected = dpg_step_oracle.NumpyDPG(learner_step, steps.SPECS['vector'])
  batch, weights = steps.make_batch(0)
  wanted = expected.td_error(batch)
  expected.target = expected.online
  bootstraps = batch.bootstrap_discount > 0
  assert np.any(bootstraps) and not np.all(bootstraps)
  others = np.abs(wanted - expected.td_error(batch))
  assert np.min(others[bootstraps]) > 1e-3
  np.testing.assert_array_equal(others[~bootstraps], 0)
  td_error = learner_step(batch, tf.constant(weights)).td_error
  np.testing.assert_allclose(td_error, wanted, rtol=1e-4, atol=1e-5)


def test_targets_take_no_part_in_the_update():
  learner_step, _ = _descent(steps.SPECS['vector'])
  before = steps.values(learner_step.target.variables)
  learner_step(*steps.make_batch(0))
  for a, b in zip(before, learner_step.target.variables):
    np.testing.assert_array_equal(a, b)


def test_td_error_is_target_minus_prediction_before_the_update():
  """By hand: a critic that says 2 everywhere, and its target 5."""
  learner_step = steps.make_agent().make_learner_step(seed=0)
  for networks, value in ((learner_step.online, 2.0),
                          (learner_step.target, 5.0)):
    for variable in networks.critic.trainable_variables:
      is_last_bias = variable.name == (
          'actor_critic/critic/output/b:0')
      variable.assign(np.full(variable.shape, value * is_last_bias))
  batch, _ = steps.make_batch(0, batch_size=3)
  batch = batch._replace(
      n_step_return=np.array([1., -4., 0.], np.float32),
      bootstrap_discount=np.array([0., 0.5, 0.9], np.float32))
  output = learner_step(batch, tf.constant([1., 0.5, 0.25]))
  # 1 - 2, -4 + 0.5 * 5 - 2 and 0.9 * 5 - 2.
  np.testing.assert_allclose(output.td_error, [-1.0, -3.5, 2.5], rtol=1e-6)
  assert float(output.metrics['loss']) == pytest.approx(
      (1.0 * 1.0 + 0.5 * 12.25 + 0.25 * 6.25) / 2 / 3)
  assert float(output.metrics['mean_q']) == pytest.approx(2.0)
  assert float(output.metrics['policy_q']) == pytest.approx(2.0)
  # dq/da is 0: the policy has nowhere to go.
  assert float(output.metrics['policy_gradient_norm']) == 0


def test_importance_weights_are_in_the_critics_loss_only():
  batch, weights = steps.make_batch(3)
  changes = [
      _changes(_descent(steps.SPECS['vector'])[0], batch, factor * weights)
      for factor in (np.float32(0.0), np.float32(1.0), np.float32(0.5))]
  count = _descent(steps.SPECS['vector'])[1].num_policy
  for nothing, one, half in zip(*(c[count:] for c in changes)):
    np.testing.assert_array_equal(nothing, 0)
    assert np.any(one != 0)
    np.testing.assert_allclose(half, one / 2, rtol=1e-3, atol=1e-6)
  for nothing, one, half in zip(*(c[:count] for c in changes)):
    assert np.any(one != 0)
    np.testing.assert_array_equal(nothing, one)
    np.testing.assert_array_equal(half, one)


def test_policy_ascends_a_critic_that_stands_still():
  learner_step, _ = _descent(steps.SPECS['vector'])
  learner_step.critic_optimizer.learning_rate = 0.0
  learner_step.policy_optimizer.learning_rate = 0.1
  batch, weights = steps.make_batch(0, batch_size=32)
  values = [float(learner_step(batch, tf.constant(weights)).metrics['policy_q'])
            for _ in range(60)]
  assert np.all(np.diff(values) > 0)
  assert values[-1] > values[0] + 0.1
