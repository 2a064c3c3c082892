"""The dueling head."""

import numpy as np
import sonnet as snt
import tensorflow as tf

from apex_tf.networks import initializers
from apex_tf.networks import observations


class DuelingQNetwork(snt.Module):
  """Values of all actions from a stream for the state and one for the actions.

      q(s, a) = v(s) + adv(s, a) - mean_b adv(s, b)

  Each stream is a hidden layer with ReLU and a linear one. Wang et al. 2016
  (arXiv 1511.06581), equation 9; Horgan et al. 2018, appendix C. The former
  also scales the gradient into the torso by 1/sqrt(2), which the latter does
  not mention and which is not done here.
  """

  def __init__(self, num_actions: int, torso: snt.Module, hidden_size: int,
               rng: np.random.Generator):
    """Builds the streams; variables are created by the first call.

    Args:
      num_actions: outputs of the advantage stream.
      torso: from `<float32>[batch, ...]` to `<float32>[batch, features]`.
      hidden_size: units of the hidden layer of each stream.
      rng: the generator of initial weights.
    """
    super().__init__(name='dueling_q_network')
    hidden_init = initializers.FanInUniform(rng, 2.0)
    output_init = initializers.FanInUniform(rng, 1.0)
    self._torso = torso
    self._value_hidden = snt.Linear(
        hidden_size, w_init=hidden_init, name='value_hidden')
    self._value = snt.Linear(1, w_init=output_init, name='value')
    self._advantage_hidden = snt.Linear(
        hidden_size, w_init=hidden_init, name='advantage_hidden')
    self._advantage = snt.Linear(
        num_actions, w_init=output_init, name='advantage')

  def __call__(self, observation: tf.Tensor) -> tf.Tensor:
    """Computes q(s, a).

    Args:
      observation: `<dtype>[batch, stack, *frame]`.

    Returns:
      `<float32>[batch, num_actions]`.

    Raises:
      ValueError: an observation that does not suit dqn.network.
    """
    features = self._torso(observations.stack_to_channels(observation))
    value = self._value(tf.nn.relu(self._value_hidden(features)))
    advantage = self._advantage(
        tf.nn.relu(self._advantage_hidden(features)))
    return value + advantage - tf.reduce_mean(
        advantage, axis=-1, keepdims=True)
