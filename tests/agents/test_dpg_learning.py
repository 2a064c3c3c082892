"""The learner step against finite differences in double precision."""

from acme import specs
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf import learner as learner_lib
from apex_tf import types
from apex_tf import variables as variables_lib
from apex_tf.agents import make_agent
from apex_tf.agents.dpg import learning
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from tests import actor_critic_oracle as oracle
from tests import dpg_step_oracle

NumpyDPG = dpg_step_oracle.NumpyDPG
METRICS = {
    'loss', 'gradient_norm', 'mean_q', 'policy_q', 'policy_gradient_norm',
    'action_gradient_clipped', 'action_saturation', 'td_error_p10',
    'td_error_p50', 'td_error_p90', 'weight_mean', 'weight_min'
}
STACK, FEATURES = 2, 3
SPECS = {
    'scalar': specs.BoundedArray((), np.float32, -2.0, 2.0),
    'vector': specs.BoundedArray((2,), np.float32, [-1.0, 0.0], [3.0, 1.0]),
    'matrix': specs.BoundedArray((2, 2), np.float32, -1.0, 1.0),
}


def _agent(actions=SPECS['vector'], **changes):
  config = config_lib.Config()
  config.agent.name = 'dpg'
  config.dpg.policy_hidden_sizes = (4, 3)
  config.dpg.critic_hidden_sizes = (5, 4)
  for name, value in changes.items():
    setattr(config.dpg, name, value)
  config.validate()
  return make_agent(config, specs.EnvironmentSpec(
      observations=specs.Array((STACK, FEATURES), np.float32),
      actions=actions,
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0., 1.)))


def _batch(seed, actions=SPECS['vector'], batch_size=6):
  rng = np.random.default_rng(seed)
  normal = lambda: rng.standard_normal(  # noqa: E731
      (batch_size, STACK, FEATURES)).astype(np.float32)
  return types.Transition(
      observation_tm1=normal(),
      action_tm1=rng.uniform(
          actions.minimum, actions.maximum,
          (batch_size,) + actions.shape).astype(actions.dtype),
      n_step_return=rng.standard_normal(batch_size).astype(np.float32),
      bootstrap_discount=rng.choice(
          [0., 0.97], size=batch_size).astype(np.float32),
      observation_t=normal()), rng.uniform(
          0.2, 1, batch_size).astype(np.float32)


def _values(variables):
  return [variable.numpy() for variable in variables]


def _randomize(networks, seed, **scales):
  """Weights with which the clip binds for some elements, not for all."""
  variables = networks.learned_variables
  scales = {'scale': 1.5, 'output_scale': 2.0, **scales}
  for variable, value in zip(
      variables, oracle.random_weights(variables, seed, **scales)):
    variable.assign(value)


def _assert_close(variables, expected, **tolerance):
  tolerance = {'rtol': 1e-3, 'atol': 1e-4, **tolerance}
  assert len(variables) == len(expected)
  for variable, value in zip(variables, expected):
    np.testing.assert_allclose(variable, value, err_msg=variable.name,
                               **tolerance)


def _differ(first, second, least=1e-2):
  return max(np.max(np.abs(a - b)) for a, b in zip(first, second)) > least


@pytest.fixture(name='actions', params=[
    ('scalar', 'graph'), ('vector', 'graph'), ('matrix', 'graph'),
    ('vector', 'eager')], ids='-'.join)
def fixture_actions(request):
  """The spec of actions; the test runs in a graph or without."""
  name, mode = request.param
  tf.config.run_functions_eagerly(mode == 'eager')
  yield SPECS[name]
  tf.config.run_functions_eagerly(False)


def test_steps_are_those_of_numpy(actions):
  """Seven steps of Adam from targets of their own, which are copied twice."""
  learner_step = _agent(
      actions, learning_rate=0.01,
      target_update_period=3).make_learner_step(seed=0)
  # Some of the policy's actions saturate.
  _randomize(learner_step.online, seed=1, output_scale=4.0)
  _randomize(learner_step.target, seed=2)
  expected = NumpyDPG(learner_step, actions)
  all_metrics = []
  for seed in range(7):
    batch, weights = _batch(seed, actions)
    output = learner_step(batch, tf.constant(weights))
    assert output.td_error.dtype == tf.float32
    np.testing.assert_allclose(
        output.td_error, expected.td_error(batch), rtol=1e-3, atol=1e-4)
    metrics = expected.metrics(batch, weights)
    assert set(output.metrics) == set(metrics) == METRICS
    for name, value in output.metrics.items():
      assert value.shape == () and value.dtype == tf.float32
      assert float(value) == pytest.approx(
          metrics[name], rel=1e-3, abs=1e-4), name
    expected.adam(expected.gradients(batch, weights), 0.01)
    if seed % 3 == 2:
      expected.target = [value.copy() for value in expected.online]
    _assert_close(learner_step.online.learned_variables, expected.online)
    _assert_close(learner_step.target.learned_variables, expected.target)
    _assert_close(learner_step.policy_optimizer.m,
                  expected.first[:expected.num_policy], atol=1e-5)
    _assert_close(learner_step.critic_optimizer.m,
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
  learner_step = _agent(actions).make_learner_step(seed=0)
  result = learning.DPGLearnerStep(
      learner_step.online, learner_step.target, snt.optimizers.SGD(1.0),
      snt.optimizers.SGD(1.0), actions, clip, target_update_period=100)
  _randomize(result.online, seed, **scales)
  _randomize(result.target, seed + 1, **scales)
  return result, NumpyDPG(result, actions, clip)


def _changes(learner_step, batch, weights):
  """Minus the change of each online variable in one step."""
  before = dpg_step_oracle.to_double(learner_step.online.learned_variables)
  learner_step(batch, tf.constant(weights))
  after = dpg_step_oracle.to_double(learner_step.online.learned_variables)
  return [b - a for b, a in zip(before, after)]


@pytest.mark.parametrize('clip', [1e-3, 0.5, 1e6])
def test_gradients_are_those_of_finite_differences(actions, clip):
  learner_step, expected = _descent(actions, clip=clip)
  batch, weights = _batch(3, actions)
  gradients = expected.gradients(batch, weights)
  share = np.mean(np.abs(expected.action_gradient(batch)) > clip)
  assert share > 0.9 if clip == 1e-3 else share == 0 if clip == 1e6 else (
      0 < share < 1)
  for change, gradient in zip(
      _changes(learner_step, batch, weights), gradients):
    np.testing.assert_allclose(change, gradient, rtol=1e-3, atol=1e-5)


def test_action_gradient_is_clipped_in_each_element():
  """One element of dq/da beyond the clip leaves the other as it is."""
  actions = SPECS['vector']
  learner_step, expected = _descent(actions)
  batch, weights = _batch(3, actions)
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
  assert _differ(gradients, others, 1e-3)
  changes = _changes(learner_step, batch, weights)[:expected.num_policy]
  for change, gradient in zip(changes, gradients):
    np.testing.assert_allclose(change, gradient, rtol=1e-3, atol=1e-5)


def test_a_saturated_policy_does_not_move():
  """Its gradient vanishes through tanh, whatever the critic wants."""
  actions = SPECS['vector']
  learner_step, _ = _descent(actions, output_scale=1000.0)
  batch, weights = _batch(3, actions)
  before = _values(learner_step.online.policy.trainable_variables)
  metrics = learner_step(batch, tf.constant(weights)).metrics
  assert float(metrics['action_saturation']) == 1
  assert float(metrics['action_gradient_clipped']) > 0.5
  assert float(metrics['policy_gradient_norm']) < 1e-3
  _assert_close(learner_step.online.policy.trainable_variables, before,
                rtol=0, atol=1e-3)


def test_both_are_updated_from_the_variables_before():
  actions = SPECS['vector']
  learner_step, expected = _descent(actions)
  batch, weights = _batch(3, actions)
  gradients = expected.gradients(batch, weights)
  # What the policy's would be, had the critic gone first.
  for value, gradient in zip(expected.online[expected.num_policy:],
                             gradients[expected.num_policy:]):
    value -= gradient
  assert _differ(gradients, expected.policy_gradients(batch))
  for change, gradient in zip(
      _changes(learner_step, batch, weights), gradients):
    np.testing.assert_allclose(change, gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('which', ['policy', 'critic'])
def test_bootstrap_value_is_of_the_target(which):
  """With one of the target's two networks unlike the online one."""
  learner_step = _agent().make_learner_step(seed=0)
  _randomize(learner_step.online, seed=1)
  _randomize(learner_step.target, seed=2)
  for network in {'policy', 'critic'} - {which}:
    for source, target in zip(
        getattr(learner_step.online, network).trainable_variables,
        getattr(learner_step.target, network).trainable_variables):
      target.assign(source)
  expected = NumpyDPG(learner_step, SPECS['vector'])
  batch, weights = _batch(0)
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
  learner_step, _ = _descent(SPECS['vector'])
  before = _values(learner_step.target.variables)
  learner_step(*_batch(0))
  for a, b in zip(before, learner_step.target.variables):
    np.testing.assert_array_equal(a, b)


def test_td_error_is_target_minus_prediction_before_the_update():
  """By hand: a critic that says 2 everywhere, and its target 5."""
  learner_step = _agent().make_learner_step(seed=0)
  for networks, value in ((learner_step.online, 2.0),
                          (learner_step.target, 5.0)):
    for variable in networks.critic.trainable_variables:
      is_last_bias = variable.name == 'critic/output/b:0'
      variable.assign(np.full(variable.shape, value * is_last_bias))
  batch, _ = _batch(0, batch_size=3)
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
  batch, weights = _batch(3)
  changes = [
      _changes(_descent(SPECS['vector'])[0], batch, factor * weights)
      for factor in (np.float32(0.0), np.float32(1.0), np.float32(0.5))]
  count = _descent(SPECS['vector'])[1].num_policy
  for nothing, one, half in zip(*(c[count:] for c in changes)):
    np.testing.assert_array_equal(nothing, 0)
    assert np.any(one != 0)
    np.testing.assert_allclose(half, one / 2, rtol=1e-3, atol=1e-6)
  for nothing, one, half in zip(*(c[:count] for c in changes)):
    assert np.any(one != 0)
    np.testing.assert_array_equal(nothing, one)
    np.testing.assert_array_equal(half, one)


def test_variables_exist_before_the_first_step():
  learner_step = _agent().make_learner_step(seed=0)
  # Three layers a network: online, target and two averages of Adam; Adam's
  # own counter twice, and the step's.
  assert len(learner_step.variables) == 4 * 2 * 6 + 2 + 1
  assert len(learner_step.policy_variables) == 2 * 6
  before = {variable.ref() for variable in learner_step.variables}
  learner_step(*_batch(0))
  assert {variable.ref() for variable in learner_step.variables} == before


def test_target_is_copied_exactly_at_the_period():
  learner_step = _agent(target_update_period=4).make_learner_step(seed=0)
  expected = _values(learner_step.online.learned_variables)
  assert len(expected) == 12
  for a, b in zip(expected, learner_step.target.learned_variables):
    np.testing.assert_array_equal(a, b)
  for step in range(1, 10):
    learner_step(*_batch(step))
    assert int(learner_step.num_steps) == step
    online = _values(learner_step.online.learned_variables)
    # Both networks have moved.
    assert all(np.any(a != b) for a, b in zip(online, expected))
    if step in (4, 8):
      expected = online
    for a, b in zip(expected, learner_step.target.learned_variables):
      np.testing.assert_array_equal(a, b)


def test_metrics_are_those_of_the_table():
  metrics = _agent().make_learner_step(seed=0)(*_batch(0)).metrics
  rows = {name: metric for name, metric in metrics_lib.METRICS.items()
          if metric_table.LEARNER in metric.roles}
  assert set(metrics) == METRICS
  assert METRICS <= {name for name, metric in rows.items()
                     if metric.agent in ('', 'dpg')}
  assert {name for name, metric in rows.items()
          if metric.agent == 'dpg'} <= METRICS
  # What every agent's learner step reports, the other agent's does too.
  assert not any(metric.agent == 'dqn' for metric in rows.values())


def test_policy_ascends_a_critic_that_stands_still():
  learner_step, _ = _descent(SPECS['vector'])
  learner_step.critic_optimizer.learning_rate = 0.0
  learner_step.policy_optimizer.learning_rate = 0.1
  batch, weights = _batch(0, batch_size=32)
  values = [float(learner_step(batch, tf.constant(weights)).metrics['policy_q'])
            for _ in range(60)]
  assert np.all(np.diff(values) > 0)
  assert values[-1] > values[0] + 0.1


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
  batch, weights = _batch(0, batch_size=batch_size)
  learner_step = _agent().make_learner_step(seed=0)
  expected = NumpyDPG(learner_step, SPECS['vector'])
  output = learner_step(batch, weights)
  np.testing.assert_allclose(
      output.td_error, expected.td_error(batch), rtol=1e-4, atol=1e-5)


def test_checkpoint_holds_everything(tmp_path):
  agent = _agent(target_update_period=3, learning_rate=1e-2)
  first = agent.make_learner_step(seed=1)
  for step in range(5):
    first(*_batch(step))
  path = tf.train.Checkpoint(step=first).write(str(tmp_path / 'checkpoint'))
  second = agent.make_learner_step(seed=2)
  tf.train.Checkpoint(step=second).read(path).assert_consumed()
  for a, b in zip(first.variables, second.variables):
    np.testing.assert_array_equal(a, b)
  for step in range(5, 10):
    outputs = [learner_step(*_batch(step)) for learner_step in (first, second)]
    np.testing.assert_array_equal(outputs[0].td_error, outputs[1].td_error)
    for name, value in outputs[0].metrics.items():
      assert float(value) == float(outputs[1].metrics[name]), name
  for a, b in zip(first.variables, second.variables):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('field, value, words', [
    ('n_step_return', np.zeros(6), 'n_step_return is of dtype float64'),
    ('bootstrap_discount', np.zeros((6, 1), np.float32),
     'bootstrap_discount has rank 2'),
    ('observation_t', np.zeros(6, np.float32), 'observation has shape'),
    ('observation_tm1', np.zeros((6, 6), np.float32), 'observation has shape'),
])
def test_refuses_other_batches(field, value, words):
  batch, weights = _batch(0)
  with pytest.raises(ValueError, match=words):
    _agent().make_learner_step(seed=0)(
        batch._replace(**{field: value}), weights)


class _Batches:
  """Hands batches on and keeps the last."""

  def __init__(self, batches):
    self._batches = iter(batches)
    self.last = None

  def __iter__(self):
    return self

  def __next__(self):
    self.last = next(self._batches)
    return self.last


def test_a_learner_over_real_replay(serve):
  """Pendulum from the environment to the priorities that come back."""
  config = config_lib.Config()
  config.environment.id = 'Pendulum-v1'
  config.agent.name = 'dpg'
  config.dpg.policy_hidden_sizes = (8,)
  config.dpg.critic_hidden_sizes = (9,)
  config.dpg.target_update_period = 3
  config.dpg.learning_rate = 0.05
  config.actor.environments_per_actor = 4
  config.replay.min_size = 50
  config.learner.batch_size = 16
  config.learner.num_samplers = 1
  builder = builder_lib.Builder(config)
  server = serve(builder.make_replay_tables())
  client = server.localhost_client()
  learner_step = builder.agent.make_learner_step(seed=3)
  batches = _Batches(builder.make_dataset(f'localhost:{server.port}'))
  writer = builder.make_priority_writer(client)
  learner = learner_lib.Learner(
      learner_step, batches, writer, publish_period=2)

  policy = builder.make_behavior_policy(0)
  variable_client = builder.make_variable_client(
      learner, policy, asynchronous=False)
  variable_client.update_now()
  adder = builder.make_adder(client)
  loop = environment_loop.EnvironmentLoop(
      builder.make_environment(0),
      builder.make_actor(policy, variable_client, adder))
  for _ in range(30):
    loop.step()
  adder.reset()

  expected = {}
  start = learner.get_variables([variables_lib.POLICY])[0]
  for step in range(8):
    numpy_dpg = NumpyDPG(learner_step, builder.spec.actions)
    learner.step()
    transition = batches.last.transition
    assert transition.action_tm1.shape == (16, 1)
    assert transition.action_tm1.dtype == tf.float32
    assert np.all(np.abs(transition.action_tm1) <= 1)
    td_error = numpy_dpg.td_error(
        types.Transition(*(field.numpy() for field in transition)))
    expected.update(zip(batches.last.key.numpy().tolist(), np.abs(td_error)))
    metrics = learner.metrics()
    assert METRICS <= set(metrics)
    assert all(np.isfinite(value) for value in metrics.values())
    assert metrics['td_error_p50'] == pytest.approx(
        np.percentile(np.abs(td_error), 50), rel=1e-3, abs=1e-4)
    assert learner.num_steps == int(learner_step.num_steps) == step + 1
  after = learner.get_variables([variables_lib.POLICY])[0]
  assert len(after) == len(start) == 8
  assert all(np.any(a != b) for a, b in zip(start, after))

  writer.flush()
  assert writer.statistics.written > 0
  found = {sample.info.key: sample.info.priority
           for sample in client.sample('transitions', 1000,
                                       emit_timesteps=False)}
  seen = set(found) & set(expected)
  assert len(seen) > 0.8 * len(expected)
  for key in seen:
    assert found[key] == pytest.approx(
        max(expected[key], 1e-6), rel=1e-3, abs=1e-3)
  adder.close()
