"""The two networks of a deterministic actor-critic."""

from typing import Sequence

from acme import specs
import numpy as np
import sonnet as snt
import tensorflow as tf

from apex_tf.networks import initializers
from apex_tf.networks import observations

# Of the last layers' weights: an untrained policy acts near the middle of the
# range, where tanh has a gradient, and an untrained critic says nearly nothing.
_OUTPUT_GAIN = 1e-3


class PolicyNetwork(snt.Module):
  """From an observation to the one action that the policy takes there.

      a = middle + half_range * tanh(f(s))

  with hidden layers of tanh: Horgan et al. 2018, appendix D. The squashing of
  the output, which the paper does not mention, is that of Lillicrap et al. 2016
  (arXiv 1509.02971), section 7.
  """

  def __init__(self, hidden_sizes: Sequence[int],
               action_spec: specs.BoundedArray, rng: np.random.Generator):
    """Builds the layers; variables are created by the first call.

    Args:
      hidden_sizes: units of each hidden layer.
      action_spec: with finite bounds.
      rng: the generator of initial weights.
    """
    super().__init__(name='policy')
    self._torso = _make_torso(hidden_sizes, rng)
    self._output = snt.Linear(
        int(np.prod(action_spec.shape, dtype=int)), name='output',
        w_init=initializers.FanInUniform(rng, _OUTPUT_GAIN))
    self._minimum, self._maximum = flat_bounds(action_spec)

  def __call__(self, observation: tf.Tensor) -> tf.Tensor:
    """Computes pi(s).

    Args:
      observation: `<dtype>[batch, stack, features]`.

    Returns:
      `<float32>[batch, action size]`, within the bounds.
    """
    features = observations.stack_to_channels(observation)
    place = tf.tanh(self._output(self._torso(features)))
    # Halved first: the sum of two bounds may be too large for float32.
    middle = 0.5 * self._maximum + 0.5 * self._minimum
    half_range = 0.5 * self._maximum - 0.5 * self._minimum
    return tf.clip_by_value(  # Rounding may pass a bound.
        middle + half_range * place, self._minimum, self._maximum)


class CriticNetwork(snt.Module):
  """The value of an action, with hidden layers of tanh on both together.

  Horgan et al. 2018, appendix D, which does not say where the action enters.
  """

  def __init__(self, hidden_sizes: Sequence[int], rng: np.random.Generator):
    """Builds the layers; variables are created by the first call.

    Args:
      hidden_sizes: units of each hidden layer.
      rng: the generator of initial weights.
    """
    super().__init__(name='critic')
    self._torso = _make_torso(hidden_sizes, rng)
    self._output = snt.Linear(
        1, name='output',
        w_init=initializers.FanInUniform(rng, _OUTPUT_GAIN))

  def __call__(self, observation: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Computes q(s, a).

    Args:
      observation: `<dtype>[batch, stack, features]`.
      action: `<float32>[batch, action size]`.

    Returns:
      `<float32>[batch]`.
    """
    features = observations.stack_to_channels(observation)
    both = tf.concat([features, action], axis=1)
    return tf.squeeze(self._output(self._torso(both)), axis=1)


def flat_bounds(action_spec: specs.BoundedArray) -> Sequence[np.ndarray]:
  """Lower and upper bounds of a flattened action, `<float32>[size]` each."""
  return [
      np.broadcast_to(bound, action_spec.shape).astype(np.float32).ravel()
      for bound in (action_spec.minimum, action_spec.maximum)
  ]


def _make_torso(hidden_sizes: Sequence[int],
                rng: np.random.Generator) -> snt.Module:
  return snt.nets.MLP(
      hidden_sizes, w_init=initializers.FanInUniform(rng, 1.0),
      activation=tf.tanh, activate_final=True)
