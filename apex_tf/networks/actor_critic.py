"""The networks of a deterministic actor-critic."""

from typing import Sequence

from acme import specs
import numpy as np
import sonnet as snt
import tensorflow as tf

from apex_tf.networks import action_bounds
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
               bounds: action_bounds.ActionBounds, rng: np.random.Generator):
    """Builds the layers; variables are created by the first call.

    Args:
      hidden_sizes: units of each hidden layer.
      bounds: of the actions.
      rng: the generator of initial weights.
    """
    super().__init__(name='policy')
    self._torso = _make_torso(hidden_sizes, rng)
    self._output = snt.Linear(
        bounds.size, name='output',
        w_init=initializers.FanInUniform(rng, _OUTPUT_GAIN))
    self._bounds = bounds

  def __call__(self, observation: tf.Tensor) -> tf.Tensor:
    """Computes pi(s).

    Args:
      observation: `<dtype>[batch, stack, features]`.

    Returns:
      `<float32>[batch, action size]`, within the bounds.
    """
    features = observations.stack_to_channels(observation)
    place = tf.tanh(self._output(self._torso(features)))
    bounds = self._bounds
    # Clipped because rounding may pass a bound.
    return bounds.clip(bounds.middle + bounds.half_range * place)


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


class ActorCritic(snt.Module):
  """A policy and the critic that it ascends.

  Attributes:
    policy: a `PolicyNetwork`.
    critic: a `CriticNetwork`.
    bounds: of the actions.
  """

  def __init__(self, policy_hidden_sizes: Sequence[int],
               critic_hidden_sizes: Sequence[int],
               observation_spec: specs.Array,
               action_spec: specs.BoundedArray, seed: int):
    """Builds both networks with their variables.

    Args:
      policy_hidden_sizes: units of each hidden layer of the policy.
      critic_hidden_sizes: units of each hidden layer of the critic.
      observation_spec: of one environment, `<dtype>[stack, features]`.
      action_spec: of one environment, with finite bounds.
      seed: of the initial weights: equal seeds give equal weights.
    """
    super().__init__(name='actor_critic')
    rng = np.random.default_rng(seed)
    self.bounds = action_bounds.ActionBounds(action_spec)
    self.policy = PolicyNetwork(policy_hidden_sizes, self.bounds, rng)
    self.critic = CriticNetwork(critic_hidden_sizes, rng)
    observation = tf.zeros(
        (1,) + tuple(observation_spec.shape), observation_spec.dtype)
    self.critic(observation, self.policy(observation))

  @property
  def learned_variables(self) -> Sequence[tf.Variable]:
    """Of the policy, then of the critic."""
    return (*self.policy.trainable_variables, *self.critic.trainable_variables)


def _make_torso(hidden_sizes: Sequence[int],
                rng: np.random.Generator) -> snt.Module:
  return snt.nets.MLP(
      hidden_sizes, w_init=initializers.FanInUniform(rng, 1.0),
      activation=tf.tanh, activate_final=True)
