"""Centered RMSProp against its textbook form and against Sonnet's."""

import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from apex_tf.agents.dqn import rmsprop


def _textbook(parameter, gradients, learning_rate, decay, epsilon):
  """The difference of two averages, in double precision."""
  square = mean = np.zeros_like(parameter)
  for gradient in gradients:
    square = decay * square + (1 - decay) * gradient**2
    mean = decay * mean + (1 - decay) * gradient
    parameter = parameter - learning_rate * gradient / np.sqrt(
        square - mean**2 + epsilon)
  return parameter


def _gradients(num_updates=40):
  return np.random.default_rng(0).normal(0.3, 1.0, (num_updates, 3, 2))


@pytest.mark.parametrize('graph', [False, True])
def test_is_the_textbook_form(graph):
  start = np.random.default_rng(1).standard_normal((3, 2))
  parameter = tf.Variable(start, dtype=tf.float32)
  optimizer = rmsprop.CenteredRMSProp([parameter], 0.01, 0.95, 1e-4)
  apply = tf.function(optimizer.apply) if graph else optimizer.apply
  for gradient in _gradients():
    apply([tf.constant(gradient, tf.float32)])
  np.testing.assert_allclose(
      parameter, _textbook(start, _gradients(), 0.01, 0.95, 1e-4), rtol=1e-4,
      atol=1e-5)


def test_is_that_of_sonnet():
  ours, theirs = tf.Variable(tf.zeros([3, 2])), tf.Variable(tf.zeros([3, 2]))
  optimizer = rmsprop.CenteredRMSProp([ours], 6.25e-5, 0.95, 1.5e-7)
  sonnet = snt.optimizers.RMSProp(
      6.25e-5, decay=0.95, epsilon=1.5e-7, centered=True)
  for gradient in _gradients():
    optimizer.apply([tf.constant(gradient, tf.float32)])
    sonnet.apply([tf.constant(gradient, tf.float32)], [theirs])
  np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-8)


def test_first_update_by_hand():
  # mean 0.1, variance 0.9 * 0.1 * 2^2 = 0.36; 0.5 * 2 / sqrt(0.36 + 0.64).
  parameter = tf.Variable([3.0])
  optimizer = rmsprop.CenteredRMSProp([parameter], 0.5, 0.9, 0.64)
  optimizer.apply([tf.constant([2.0])])
  assert float(parameter[0]) == pytest.approx(2.0)


@pytest.mark.parametrize('size', [0.5, 1.0, 5.0, 30.0])
def test_constant_gradients_do_not_become_nan(size):
  """Where the difference of two float32 averages would be negative."""
  gradient = np.linspace(1, 1.2, 500) * size
  parameter = tf.Variable(tf.zeros([500]))
  optimizer = rmsprop.CenteredRMSProp([parameter], 6.25e-5, 0.95, 1.5e-7)
  apply = tf.function(optimizer.apply)
  for _ in range(300):
    apply([tf.constant(gradient, tf.float32)])
  np.testing.assert_allclose(
      parameter,
      _textbook(np.zeros(500), [gradient] * 300, 6.25e-5, 0.95, 1.5e-7),
      rtol=1e-3)


def test_averages_exist_before_the_first_update():
  parameters = [tf.Variable(tf.zeros([3, 2])), tf.Variable(tf.zeros([2]))]
  optimizer = rmsprop.CenteredRMSProp(parameters, 0.1, 0.9, 0.1)
  # Two parameters, two means, two variances.
  assert len(optimizer.variables) == 6
  assert len(optimizer.trainable_variables) == 2


def test_refuses_another_number_of_gradients():
  optimizer = rmsprop.CenteredRMSProp([tf.Variable([0.0])], 0.1, 0.9, 0.1)
  with pytest.raises(ValueError, match='2 gradients for 1 parameters'):
    optimizer.apply([tf.zeros([1]), tf.zeros([1])])
