"""The learner over a real table, with a gradient step simple enough to redo
by hand, and with the real one."""

import numpy as np
import pytest
import tensorflow as tf

from apex_tf import agents as agents_lib
from apex_tf import config as config_lib
from apex_tf import learner as learner_lib
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import feedback
from apex_tf.replay import priorities as priorities_lib
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

_BATCH_SIZE = 4
_NUM_ITEMS = 12
_SCRIPT = scripted_environment.Script(
    [[scripted_environment.Episode((0.0,))]], dtype=np.float32)


class _LearnerStep(agents.LearnerStep):
  """The TD error is the action less the number of steps before.

  Attributes:
    weights: importance weights, one array a step.
  """

  def __init__(self, bad_action=-1):
    steps = tf.Variable(0.0)
    super().__init__('fake', [steps], [tf.Variable(0.0)], 1000)
    self._steps = steps
    self._bad_action = bad_action
    self.weights = []

  @property
  def policy_variables(self):
    return [self._steps]

  def __call__(self, transition, importance_weights):
    self.weights.append(importance_weights.numpy())
    return super().__call__(transition, importance_weights)

  def _update(self, transition, importance_weights):
    action = tf.cast(transition.action_tm1, tf.float32)
    td_error = action - self._steps
    td_error = tf.where(action == self._bad_action, np.nan, td_error)
    self._steps.assign_add(1.0)
    return agents.LearnerUpdate(
        td_error, {'loss': tf.reduce_sum(importance_weights)})


class _Batches:
  """Hands batches on and keeps what was in them."""

  def __init__(self, batches):
    self._batches = iter(batches)
    self.seen = []

  def __iter__(self):
    return self

  def __next__(self):
    batch = next(self._batches)
    self.seen.append(batch)
    return batch


class _Setup:
  """A learner over a table of `_NUM_ITEMS`, with actions 0, 1, 2, ..."""

  def __init__(self, serve, learner_step=None, publish_period=2,
               max_batches=-1):
    environment = scripted_environment.ScriptedEnvironment(_SCRIPT)
    self.priorities = np.linspace(0.5, 6.0, _NUM_ITEMS)
    self.spec = environment.spec()
    server = serve(tables.make_tables(
        config_lib.ReplayConfig(capacity=100, min_size=_NUM_ITEMS),
        self.spec))
    self.client = server.localhost_client()
    adder = transition_oracle.make_adder(self.client, _SCRIPT, n_step=1)
    transition_oracle.add_known_priorities(
        adder, self.priorities, _SCRIPT.dtype)
    adder.close()
    self.batches = _Batches(dataset_lib.make_dataset(
        f'localhost:{server.port}',
        config_lib.LearnerConfig(batch_size=_BATCH_SIZE, num_samplers=1),
        0.4, self.spec.actions).take(max_batches))
    self.writer = priorities_lib.PriorityWriter(self.client, 0.25, 1000)
    self.learner_step = learner_step or _LearnerStep()
    self.learner = learner_lib.Learner(
        self.learner_step, self.batches,
        feedback.Feedback([feedback.ShardFeedback(self.writer)]),
        publish_period)

  def actions_seen(self):
    return [batch.transition.action_tm1.numpy() for batch in self.batches.seen]

  def table_priorities(self):
    """By action."""
    found = {}
    while len(found) < _NUM_ITEMS:
      for stored in transition_oracle.sample(self.client, 200):
        found[stored.action] = stored.info.priority
    return [found[action] for action in range(_NUM_ITEMS)]


def test_priorities_written_back_are_the_absolute_td_errors(serve):
  setup = _Setup(serve)
  for _ in range(8):
    setup.learner.step()
  np.testing.assert_allclose(setup.table_priorities(), setup.priorities)
  setup.writer.flush()
  expected = setup.priorities.copy()
  for step, actions in enumerate(setup.actions_seen()):
    for action in actions:
      expected[action] = max(abs(action - step), 0.25)
  np.testing.assert_allclose(setup.table_priorities(), expected)
  assert set(expected) != set(setup.priorities)


def test_td_errors_that_are_not_finite_are_refused(serve):
  bad = _NUM_ITEMS - 1  # Sampled most often.
  setup = _Setup(serve, _LearnerStep(bad_action=bad))
  for _ in range(60):  # Not one of 240 samples: 1e-14.
    setup.learner.step()
  setup.writer.flush()
  refused = sum((actions == bad).sum() for actions in setup.actions_seen())
  assert refused > 0
  assert setup.learner.metrics()['priorities_refused'] == refused
  assert setup.table_priorities()[bad] == setup.priorities[bad]


def test_importance_weights_reach_the_step(serve):
  setup = _Setup(serve)
  for _ in range(5):
    setup.learner.step()
  powers = setup.priorities**0.6
  for actions, weights in zip(setup.actions_seen(),
                              setup.learner_step.weights):
    probability = powers[actions] / powers.sum()
    expected = (_NUM_ITEMS * probability)**-0.4
    np.testing.assert_allclose(weights, expected / expected.max(), rtol=1e-4)
  assert len({float(w) for weights in setup.learner_step.weights
              for w in weights}) > 4


def test_snapshots_are_published_now_and_then(serve):
  setup = _Setup(serve, publish_period=3)
  learner = setup.learner
  names = [variables_lib.LEARNER_STEP, variables_lib.POLICY]
  versions = []
  for _ in range(7):
    learner.step()
    step, (value,) = learner.get_variables(names)
    assert step == value == learner.published_version
    versions.append(int(step))
  assert versions == [0, 0, 3, 3, 3, 6, 6]
  assert learner.metrics()['published_version'] == 6
  learner.publish()
  step, (value,) = learner.get_variables(names)
  assert step == value == learner.published_version == 7
  with pytest.raises(ValueError, match="'target'"):
    learner.get_variables(['target'])


def test_metrics_of_the_newest_step(serve):
  setup = _Setup(serve)
  assert setup.learner.metrics() == {}
  for _ in range(5):
    setup.learner.step()
  metrics = setup.learner.metrics()
  # `add_known_priorities` numbers the versions like the actions.
  ages = 5 - setup.actions_seen()[-1]
  assert metrics['sample_age_p50'] == np.percentile(ages, 50)
  assert metrics['sample_age_p90'] == np.percentile(ages, 90)
  assert metrics['loss'] == pytest.approx(setup.learner_step.weights[-1].sum())
  assert (metrics['priorities_refused'], metrics['priority_lag_steps'],
          metrics['priority_updates_dropped']) == (0, 0, 0)
  setup.writer.flush()
  assert setup.learner.metrics()['priority_lag_steps'] == 4
  assert metrics['batch_wait_seconds'] == setup.learner.batch_wait_seconds > 0
  _check_names(metrics)


def _check_names(metrics):
  """All are in the one table of metrics, and plain numbers."""
  assert all(type(value) is float for value in metrics.values())
  learners = {name for name, metric in metrics_lib.METRICS.items()
              if metric_table.LEARNER in metric.roles}
  assert set(metrics) <= learners


def test_no_more_batches_is_stop_iteration(serve):
  setup = _Setup(serve, max_batches=2)
  setup.learner.step()
  setup.learner.step()
  with pytest.raises(StopIteration):
    setup.learner.step()
  assert setup.learner.num_steps == 2


def test_with_the_real_learner_step(serve):
  config = config_lib.Config()
  spec = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()
  setup = _Setup(serve, agents_lib.make_agent(
      config, spec).make_learner_step(seed=1))
  before = setup.learner.get_variables([variables_lib.POLICY])[0]
  for _ in range(4):
    setup.learner.step()
  metrics = setup.learner.metrics()
  _check_names(metrics)
  assert set(metrics) >= {
      'loss', 'gradient_norm', 'mean_q', 'weight_mean', 'weight_min',
      'td_error_p10', 'td_error_p50', 'td_error_p90'}
  assert all(np.isfinite(value) for value in metrics.values())
  after = setup.learner.get_variables([variables_lib.POLICY])[0]
  assert [a.shape for a in after] == [b.shape for b in before]
  assert any((a != b).any() for a, b in zip(after, before))
  setup.writer.flush()
  assert setup.writer.statistics.written > 0
