"""Initial values of weights, reproducible from one generator."""

from typing import Any

import numpy as np
import sonnet as snt
import tensorflow as tf


class FanInUniform(snt.initializers.Initializer):
  """Uniform values of variance gain / fan_in.

      W ~ U(-l, l),  l = sqrt(3 gain / fan_in)

  The paper does not say how its network starts. `gain=2` keeps the scale of
  activations through layers with ReLU (He et al. 2015, arXiv 1502.01852).

  The values come from a numpy generator, so that a seed gives the same network
  in every process and on every device, whatever TensorFlow drew before.
  """

  def __init__(self, rng: np.random.Generator, gain: float):
    """Keeps the generator, which each call advances.

    Args:
      rng: may be shared by the layers of a network.
      gain: the variance times the inputs of one unit.
    """
    self._rng = rng
    self._gain = gain

  def __call__(self, shape: Any, dtype: tf.DType) -> tf.Tensor:
    """Draws `<dtype>[*shape]`; all axes but the last are inputs."""
    sizes = tf.TensorShape(shape).as_list()
    limit = np.sqrt(3 * self._gain / np.prod(sizes[:-1]))
    return tf.constant(self._rng.uniform(-limit, limit, sizes), dtype)
