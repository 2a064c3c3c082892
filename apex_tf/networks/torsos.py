"""The torsos: from an observation to the features that heads share."""

from typing import Callable, Dict, Sequence, Tuple

import numpy as np
import sonnet as snt
import tensorflow as tf

from apex_tf import network_inputs
from apex_tf.networks import initializers

# A convolution: output channels, kernel, stride.
_ConvLayers = Sequence[Tuple[int, int, int]]


class MLPTorso(snt.Module):
  """Linear layers, each followed by ReLU; for vectors."""

  def __init__(self, hidden_sizes: Sequence[int], rng: np.random.Generator):
    """Args: units of each layer, and the generator of initial weights."""
    super().__init__(name='mlp')
    self._layers = [
        snt.Linear(size, w_init=initializers.FanInUniform(rng, 2.0),
                   name=f'linear_{i}')
        for i, size in enumerate(hidden_sizes)
    ]

  def __call__(self, features: tf.Tensor) -> tf.Tensor:
    """`<float32>[batch, inputs]` to `<float32>[batch, hidden_sizes[-1]]`."""
    network_inputs.check('mlp', features.shape[1:].as_list())
    for layer in self._layers:
      features = tf.nn.relu(layer(features))
    return features


class ConvTorso(snt.Module):
  """VALID convolutions, then linear layers, each followed by ReLU."""

  def __init__(self, name: str, convolutions: _ConvLayers,
               hidden_sizes: Sequence[int], rng: np.random.Generator):
    """Builds the layers.

    Args:
      name: of the torso, as in dqn.network.
      convolutions: output channels, kernel and stride of each.
      hidden_sizes: units of the linear layers after them.
      rng: the generator of initial weights.
    """
    super().__init__(name=name)
    self._torso_name = name
    self._convolutions = [
        snt.Conv2D(channels, kernel, stride, padding='VALID',
                   w_init=initializers.FanInUniform(rng, 2.0),
                   name=f'convolution_{i}')
        for i, (channels, kernel, stride) in enumerate(convolutions)
    ]
    self._linears = [
        snt.Linear(size, w_init=initializers.FanInUniform(rng, 2.0),
                   name=f'linear_{i}')
        for i, size in enumerate(hidden_sizes)
    ]

  def __call__(self, features: tf.Tensor) -> tf.Tensor:
    """`<float32>[batch, height, width, channels]` to `[batch, features]`."""
    network_inputs.check(self._torso_name, features.shape[1:].as_list())
    for convolution in self._convolutions:
      features = tf.nn.relu(convolution(features))
    features = snt.flatten(features)
    for linear in self._linears:
      features = tf.nn.relu(linear(features))
    return features


def make_torso(name: str, hidden_sizes: Sequence[int],
               rng: np.random.Generator) -> snt.Module:
  """Builds the torso that dqn.network names.

  Args:
    name: mlp; nature, the three convolutions of Mnih et al. 2015, without its
      linear layer, which the dueling streams replace; dqn2013, the network of
      Mnih et al. 2013; minatar, that of Young and Tian 2019.
    hidden_sizes: units of the linear layers of mlp.
    rng: the generator of initial weights.

  Returns:
    A module from `<float32>[batch, inputs]` or `<float32>[batch, height, width,
    channels]` to `<float32>[batch, features]`. Its call raises ValueError for
    an observation of another rank, or smaller than its convolutions.

  Raises:
    ValueError: an unknown name.
  """
  makers: Dict[str, Callable[[], snt.Module]] = {
      'mlp': lambda: MLPTorso(hidden_sizes, rng),
      'nature': lambda: ConvTorso(
          'nature', [(32, 8, 4), (64, 4, 2), (64, 3, 1)], [], rng),
      'dqn2013': lambda: ConvTorso(
          'dqn2013', [(16, 8, 4), (32, 4, 2)], [256], rng),
      'minatar': lambda: ConvTorso('minatar', [(16, 3, 1)], [128], rng),
  }
  if name not in makers:
    raise ValueError(
        f'dqn.network is {name!r}, but must be one of {", ".join(makers)}')
  return makers[name]()
