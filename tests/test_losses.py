"""Losses against numbers worked out by hand."""

from typing import Any, Callable

import numpy as np
import pytest
import tensorflow as tf

from apex_tf import losses

# Two transitions of three actions. The selector prefers actions 1 and 0.
Q_TM1 = np.array([[1., 2., 3.], [4., 5., 6.]], np.float32)
A_TM1 = np.array([2, 0], np.int32)
N_STEP_RETURN = np.array([0.5, -1.], np.float32)
BOOTSTRAP_DISCOUNT = np.array([0.9, 0.], np.float32)
Q_T_SELECTOR = np.array([[0., 10., 1.], [5., 1., 1.]], np.float32)
Q_T_TARGET = np.array([[7., 8., 9.], [1., 2., 3.]], np.float32)
# 0.5 + 0.9 * 8 - 3 and -1 + 0 * 1 - 4.
TD_ERROR = np.array([4.7, -5.], np.float32)


@pytest.fixture(name='run', params=['eager', 'graph'])
def fixture_run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
  """Wraps a function in tf.function, or leaves it as it is."""
  return tf.function if request.param == 'graph' else lambda function: function


def _arguments(**changes: Any) -> dict[str, tf.Tensor]:
  arguments = dict(
      q_tm1=Q_TM1, a_tm1=A_TM1, n_step_return=N_STEP_RETURN,
      bootstrap_discount=BOOTSTRAP_DISCOUNT, q_t_selector=Q_T_SELECTOR,
      q_t_target=Q_T_TARGET)
  arguments.update(changes)
  return {name: tf.constant(value) for name, value in arguments.items()}


def test_td_error_by_hand(run):
  td_error = run(losses.double_q_td_error)(**_arguments())
  assert td_error.dtype == tf.float32
  np.testing.assert_allclose(td_error, TD_ERROR, rtol=1e-6)


@pytest.mark.parametrize('dtype', [np.int8, np.uint8, np.int32, np.int64])
def test_td_error_takes_any_integer_action(run, dtype):
  td_error = run(losses.double_q_td_error)(
      **_arguments(a_tm1=A_TM1.astype(dtype)))
  np.testing.assert_allclose(td_error, TD_ERROR, rtol=1e-6)


def test_td_error_is_that_of_a_loop(run):
  rng = np.random.default_rng(3)
  q_tm1, selector, target = rng.standard_normal((3, 40, 5)).astype(np.float32)
  a_tm1 = rng.integers(5, size=40)
  reward, discount = rng.random((2, 40)).astype(np.float32)
  expected = []
  for k in range(40):
    best = max(range(5), key=lambda a, k=k: selector[k, a])
    expected.append(
        reward[k] + discount[k] * target[k, best] - q_tm1[k, a_tm1[k]])
  td_error = run(losses.double_q_td_error)(
      **_arguments(q_tm1=q_tm1, a_tm1=a_tm1, n_step_return=reward,
                   bootstrap_discount=discount, q_t_selector=selector,
                   q_t_target=target))
  np.testing.assert_allclose(td_error, expected, rtol=1e-5, atol=1e-6)


def test_gradient_reaches_only_the_values_of_the_actions_taken(run):
  arguments = _arguments()
  sources = ['q_tm1', 'q_t_selector', 'q_t_target', 'n_step_return']

  def gradients():
    with tf.GradientTape() as tape:
      tape.watch([arguments[name] for name in sources])
      total = tf.reduce_sum(losses.double_q_td_error(**arguments))
    return tape.gradient(
        total, [arguments[name] for name in sources],
        unconnected_gradients=tf.UnconnectedGradients.ZERO)

  of_q_tm1, *others = run(gradients)()
  np.testing.assert_array_equal(of_q_tm1, [[0, 0, -1], [-1, 0, 0]])
  for other in others:
    np.testing.assert_array_equal(other, np.zeros(other.shape))


@pytest.mark.parametrize('name, value, words', [
    ('q_tm1', Q_TM1[0], 'q_tm1 has rank 1'),
    ('q_tm1', Q_TM1.astype(np.float64), 'q_tm1 is of dtype float64'),
    ('a_tm1', A_TM1[:, None], 'a_tm1 has rank 2'),
    ('a_tm1', A_TM1.astype(np.float32), 'a_tm1 is of dtype float32'),
    ('n_step_return', N_STEP_RETURN[:, None], 'n_step_return has rank 2'),
    ('bootstrap_discount', np.ones(2, np.int32), 'is of dtype int32'),
    ('q_t_selector', Q_T_SELECTOR[0], 'q_t_selector has rank 1'),
    ('q_t_target', Q_T_TARGET[None], 'q_t_target has rank 3'),
])
def test_td_error_refuses_other_ranks_and_dtypes(run, name, value, words):
  with pytest.raises(ValueError, match=words):
    run(losses.double_q_td_error)(**_arguments(**{name: value}))


def test_loss_by_hand(run):
  # (1 * 2^2 / 2 + 0.5 * 4^2 / 2) / 2 = (2 + 4) / 2.
  loss = run(losses.weighted_squared_loss)(
      tf.constant([2., -4.]), tf.constant([1., 0.5]))
  assert loss.shape == ()
  assert float(loss) == pytest.approx(3.0)


def test_gradient_of_the_loss_by_hand(run):
  td_error, weights = tf.constant([2., -4.]), tf.constant([1., 0.5])

  def gradients():
    with tf.GradientTape() as tape:
      tape.watch([td_error, weights])
      loss = losses.weighted_squared_loss(td_error, weights)
    return tape.gradient(
        loss, [td_error, weights],
        unconnected_gradients=tf.UnconnectedGradients.ZERO)

  of_td_error, of_weights = run(gradients)()
  np.testing.assert_allclose(of_td_error, [1., -1.])
  np.testing.assert_array_equal(of_weights, [0., 0.])


@pytest.mark.parametrize('td_error, weights, words', [
    (np.ones((2, 1), np.float32), np.ones(2, np.float32), 'td_error has rank'),
    (np.ones(2, np.float32), np.ones(2), 'weights is of dtype float64'),
])
def test_loss_refuses_other_ranks_and_dtypes(run, td_error, weights, words):
  with pytest.raises(ValueError, match=words):
    run(losses.weighted_squared_loss)(
        tf.constant(td_error), tf.constant(weights))


@pytest.mark.parametrize('probability, table_size, exponent, expected', [
    # (10 * 0.1)^-0.5 = 1 and (10 * 0.4)^-0.5 = 1/2; the maximum is 1.
    ([0.1, 0.4], [10, 10], 0.5, [1., 0.5]),
    # 1/2 and 1/3, divided by 1/2.
    ([0.4, 0.9], [10, 10], 0.5, [1., 2 / 3]),
    # The table grew between the two samples: 1 and (40 * 0.1)^-0.5.
    ([0.1, 0.1], [10, 40], 0.5, [1., 0.5]),
    # N may be one number.
    ([0.1, 0.4], 10, 0.5, [1., 0.5]),
    ([0.1, 0.4], [10, 10], 0.0, [1., 1.]),
    # 1e60 and 1e36: more than float32 holds, but not their ratio.
    ([1e-30, 1e-18], [1, 1], 2.0, [1., 1e-24]),
])
def test_importance_weights_by_hand(
    run, probability, table_size, exponent, expected):
  weights = run(losses.importance_weights)(
      tf.constant(probability, tf.float64), tf.constant(table_size, tf.int64),
      exponent)
  assert weights.dtype == tf.float32
  np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_importance_weights_take_float32(run):
  weights = run(losses.importance_weights)(
      tf.constant([0.1, 0.4], tf.float32), tf.constant(10), 0.5)
  np.testing.assert_allclose(weights, [1., 0.5], rtol=1e-6)


@pytest.mark.parametrize('probability, table_size, words', [
    ([[0.1]], [10], 'probability has rank 2'),
    ([1], [10], 'probability is of dtype int32'),
    ([0.1], [[10]], 'table_size has rank 2'),
    ([0.1], [True], 'table_size is of dtype bool'),
])
def test_importance_weights_refuse_other_ranks_and_dtypes(
    run, probability, table_size, words):
  with pytest.raises(ValueError, match=words):
    run(losses.importance_weights)(
        tf.constant(probability), tf.constant(table_size), 0.4)


# The same two transitions as a critic sees them: 0.5 + 0.9 * 8 - 3 and
# -1 + 0 * 1 - 4.
CRITIC = dict(
    q_tm1=np.array([3., 4.], np.float32), n_step_return=N_STEP_RETURN,
    bootstrap_discount=BOOTSTRAP_DISCOUNT, q_t=np.array([8., 1.], np.float32))


def _critic_arguments(**changes: Any) -> dict[str, tf.Tensor]:
  return {name: tf.constant(value)
          for name, value in {**CRITIC, **changes}.items()}


def test_td_error_of_a_critic_by_hand(run):
  td_error = run(losses.td_error)(**_critic_arguments())
  assert td_error.dtype == tf.float32
  assert td_error.shape == (2,)
  np.testing.assert_allclose(td_error, TD_ERROR, rtol=1e-6)


def test_gradient_of_a_critics_td_error_reaches_only_q_tm1(run):
  arguments = _critic_arguments()

  def gradients():
    with tf.GradientTape() as tape:
      tape.watch(arguments)
      total = tf.reduce_sum(losses.td_error(**arguments))
    return tape.gradient(
        total, arguments, unconnected_gradients=tf.UnconnectedGradients.ZERO)

  for name, gradient in run(gradients)().items():
    np.testing.assert_array_equal(
        gradient, [-1, -1] if name == 'q_tm1' else [0, 0], name)


@pytest.mark.parametrize('name', CRITIC)
@pytest.mark.parametrize('change, words', [
    (lambda value: value[:, None], 'has rank 2, but must be of rank 1'),
    (lambda value: value[0], 'has rank 0, but must be of rank 1'),
    (lambda value: value.astype(np.float64), 'is of dtype float64, but must'),
    (lambda value: value.astype(np.int32), 'is of dtype int32, but must'),
])
def test_td_error_of_a_critic_refuses_other_ranks_and_dtypes(
    run, name, change, words):
  with pytest.raises(ValueError, match=rf'\b{name} {words}'):
    run(losses.td_error)(**_critic_arguments(**{name: change(CRITIC[name])}))


ACTION = np.array([[1., 2.], [3., -1.]], np.float32)
ACTION_GRADIENT = np.array([[0.5, -4.], [2., 0.25]], np.float32)


@pytest.mark.parametrize('clip, clipped, expected', [
    # -((0.5 - 2) + (3 - 0.25)) / 2.
    (1.0, [[0.5, -1.], [1., 0.25]], -0.625),
    # -((0.25 - 0.5) + (0.75 - 0.25)) / 2.
    (0.25, [[0.25, -0.25], [0.25, 0.25]], -0.125),
    # -((0.5 - 8) + (6 - 0.25)) / 2.
    (10.0, ACTION_GRADIENT, 0.875),
])
def test_policy_loss_and_its_gradient_by_hand(run, clip, clipped, expected):
  """Elementwise: a clip of the norm would change the other elements too."""
  action, action_gradient = tf.constant(ACTION), tf.constant(ACTION_GRADIENT)

  def loss_and_gradients():
    with tf.GradientTape() as tape:
      tape.watch([action, action_gradient])
      loss = losses.deterministic_policy_gradient_loss(
          action, action_gradient, clip)
    return loss, tape.gradient(
        loss, [action, action_gradient],
        unconnected_gradients=tf.UnconnectedGradients.ZERO)

  loss, (of_action, of_gradient) = run(loss_and_gradients)()
  assert loss.shape == () and loss.dtype == tf.float32
  assert float(loss) == pytest.approx(expected)
  np.testing.assert_allclose(of_action, -np.array(clipped) / 2, rtol=1e-6)
  np.testing.assert_array_equal(of_gradient, np.zeros((2, 2)))


@pytest.mark.parametrize('action, gradient, words', [
    (ACTION[0], ACTION_GRADIENT, r'\baction has rank 1'),
    (ACTION[None], ACTION_GRADIENT, r'\baction has rank 3'),
    (ACTION.astype(np.float64), ACTION_GRADIENT,
     r'\baction is of dtype float64'),
    (ACTION, ACTION_GRADIENT[0], r'\baction_gradient has rank 1'),
    (ACTION, ACTION_GRADIENT.astype(np.float16),
     r'\baction_gradient is of dtype float16'),
    (ACTION.astype(np.int32), ACTION_GRADIENT, r'\baction is of dtype int32'),
])
def test_policy_loss_refuses_other_ranks_and_dtypes(
    run, action, gradient, words):
  with pytest.raises(ValueError, match=words):
    run(losses.deterministic_policy_gradient_loss)(
        tf.constant(action), tf.constant(gradient), 1.0)
