"""Centered RMSProp that stays finite in float32."""

from typing import Sequence

import tensorflow as tf


class CenteredRMSProp(tf.Module):
  """RMSProp that divides by an estimate of the gradient's deviation.

      mean     <- decay mean + (1 - decay) g
      variance <- decay (variance + (1 - decay) (g - mean_before)^2)
      parameter <- parameter - learning_rate g / sqrt(variance + epsilon)

  with all averages zero at the start. The variance is the running mean of g^2
  less the square of the running mean of g, exactly, as a sum of squares.
  TensorFlow, Keras and Sonnet subtract the two averages instead: where |g| is
  around 1 and hardly changes, float32 rounds the difference to less than
  -epsilon and the parameter becomes NaN.

  Hinton's lecture 6e; Graves 2013 (arXiv 1308.0850), equations 38 to 41, with
  no momentum. Epsilon is inside the square root, as in TensorFlow.
  """

  def __init__(self, parameters: Sequence[tf.Variable], learning_rate: float,
               decay: float, epsilon: float):
    """Creates the averages.

    Args:
      parameters: the variables that `apply` changes.
      learning_rate: of the update.
      decay: of both averages, in [0, 1).
      epsilon: added to the variance.
    """
    super().__init__(name='centered_rmsprop')
    self._parameters = list(parameters)
    self._learning_rate = learning_rate
    self._decay = decay
    self._epsilon = epsilon
    self._means = [
        tf.Variable(tf.zeros_like(parameter), trainable=False, name='mean')
        for parameter in self._parameters
    ]
    self._variances = [
        tf.Variable(tf.zeros_like(parameter), trainable=False, name='variance')
        for parameter in self._parameters
    ]

  def apply(self, gradients: Sequence[tf.Tensor]) -> None:
    """Changes the parameters by one update.

    Args:
      gradients: one dense tensor for each parameter, in their order.

    Raises:
      ValueError: another number of gradients.
    """
    if len(gradients) != len(self._parameters):
      raise ValueError(f'{len(gradients)} gradients for '
                       f'{len(self._parameters)} parameters')
    for gradient, parameter, mean, variance in zip(
        gradients, self._parameters, self._means, self._variances):
      deviation = gradient - mean
      variance.assign(self._decay * (
          variance + (1 - self._decay) * tf.square(deviation)))
      mean.assign_add((1 - self._decay) * deviation)
      parameter.assign_sub(
          self._learning_rate * gradient *
          tf.math.rsqrt(variance + self._epsilon))
