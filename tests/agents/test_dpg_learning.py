"""The learner step of DPG: targets, metrics, checkpoint, a real replay."""


import numpy as np
import pytest
import tensorflow as tf

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf import learner as learner_lib
from apex_tf import types
from apex_tf import variables as variables_lib
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from tests import dpg_learner_steps as steps
from tests import dpg_step_oracle


def test_variables_exist_before_the_first_step():
  learner_step = steps.make_agent().make_learner_step(seed=0)
  # Three layers a network: online, target and two averages of Adam; Adam's
  # own counter twice, and the step's.
  assert len(learner_step.variables) == 4 * 2 * 6 + 2 + 1
  assert len(learner_step.policy_variables) == 2 * 6
  before = {variable.ref() for variable in learner_step.variables}
  learner_step(*steps.make_batch(0))
  assert {variable.ref() for variable in learner_step.variables} == before


def test_target_is_copied_exactly_at_the_period():
  learner_step = steps.make_agent(
      target_update_period=4).make_learner_step(seed=0)
  expected = steps.values(learner_step.online.learned_variables)
  assert len(expected) == 12
  for a, b in zip(expected, learner_step.target.learned_variables):
    np.testing.assert_array_equal(a, b)
  for step in range(1, 10):
    learner_step(*steps.make_batch(step))
    assert int(learner_step.num_steps) == step
    online = steps.values(learner_step.online.learned_variables)
    # Both networks have moved.
    assert all(np.any(a != b) for a, b in zip(online, expected))
    if step in (4, 8):
      expected = online
    for a, b in zip(expected, learner_step.target.learned_variables):
      np.testing.assert_array_equal(a, b)


def test_metrics_are_those_of_the_table():
  learner_step = steps.make_agent().make_learner_step(seed=0)
  metrics = learner_step(*steps.make_batch(0)).metrics
  rows = {name: metric for name, metric in metrics_lib.METRICS.items()
          if metric_table.LEARNER in metric.roles}
  assert set(metrics) == steps.METRICS
  assert steps.METRICS <= {name for name, metric in rows.items()
                     if metric.agent in ('', 'dpg')}
  assert {name for name, metric in rows.items()
          if metric.agent == 'dpg'} <= steps.METRICS
  # What every agent's learner step reports, the other agent's does too.
  assert not any(metric.agent == 'dqn' for metric in rows.values())


def test_same_seed_same_learning():
  first, second, third = (
      steps.make_agent().make_learner_step(seed=seed) for seed in (5, 5, 6))
  for learner_step in (first, second, third):
    for step in range(5):
      learner_step(*steps.make_batch(step))
  assert any(np.any(a != b) for a, b in zip(
      steps.values(first.policy_variables),
      steps.values(third.policy_variables)))
  for a, b in zip(first.variables, second.variables):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('batch_size', [1, 2, 7])
def test_takes_any_batch_size(batch_size):
  batch, weights = steps.make_batch(0, batch_size=batch_size)
  learner_step = steps.make_agent().make_learner_step(seed=0)
  expected = dpg_step_oracle.NumpyDPG(learner_step, steps.SPECS['vector'])
  output = learner_step(batch, weights)
  np.testing.assert_allclose(
      output.td_error, expected.td_error(batch), rtol=1e-4, atol=1e-5)


def test_checkpoint_holds_everything(tmp_path):
  agent = steps.make_agent(target_update_period=3, learning_rate=1e-2)
  first = agent.make_learner_step(seed=1)
  for step in range(5):
    first(*steps.make_batch(step))
  path = tf.train.Checkpoint(step=first).write(str(tmp_path / 'checkpoint'))
  second = agent.make_learner_step(seed=2)
  tf.train.Checkpoint(step=second).read(path).assert_consumed()
  for a, b in zip(first.variables, second.variables):
    np.testing.assert_array_equal(a, b)
  for step in range(5, 10):
    outputs = [learner_step(*steps.make_batch(step))
               for learner_step in (first, second)]
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
  batch, weights = steps.make_batch(0)
  with pytest.raises(ValueError, match=words):
    steps.make_agent().make_learner_step(seed=0)(
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
  feedback = builder.make_feedback([client])
  learner = learner_lib.Learner(
      learner_step, batches, feedback, publish_period=2)

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
    numpy_dpg = dpg_step_oracle.NumpyDPG(learner_step, builder.spec.actions)
    learner.step()
    transition = batches.last.transition
    assert transition.action_tm1.shape == (16, 1)
    assert transition.action_tm1.dtype == tf.float32
    assert np.all(np.abs(transition.action_tm1) <= 1)
    td_error = numpy_dpg.td_error(
        types.Transition(*(field.numpy() for field in transition)))
    expected.update(zip(batches.last.key.numpy().tolist(), np.abs(td_error)))
    metrics = learner.metrics()
    assert steps.METRICS <= set(metrics)
    assert all(np.isfinite(value) for value in metrics.values())
    assert metrics['td_error_p50'] == pytest.approx(
        np.percentile(np.abs(td_error), 50), rel=1e-3, abs=1e-4)
    assert learner.num_steps == int(learner_step.num_steps) == step + 1
  after = learner.get_variables([variables_lib.POLICY])[0]
  assert len(after) == len(start) == 8
  assert all(np.any(a != b) for a, b in zip(start, after))

  feedback.flush()
  found = {sample.info.key: sample.info.priority
           for sample in client.sample('transitions', 1000,
                                       emit_timesteps=False)}
  seen = set(found) & set(expected)
  assert len(seen) > 0.8 * len(expected)
  for key in seen:
    assert found[key] == pytest.approx(
        max(expected[key], 1e-6), rel=1e-3, abs=1e-3)
  adder.close()
