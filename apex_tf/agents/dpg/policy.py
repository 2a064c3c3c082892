"""Deterministic policies with Gaussian noise."""

from typing import Any, Dict, Sequence, Tuple

from acme import specs
import numpy as np
import tensorflow as tf

from apex_tf import exploration
from apex_tf import networks
from apex_tf import types
from apex_tf.agents import base


class DPGPolicy(base.Policy):
  """One batched call of policy and critic.

      A = clip(pi(s) + noise),  values q(s, A) and q(s, pi(s))

  The first value is of the action that is taken, noise and all; the second is
  the bootstrap value of a transition that ends in s. They give the transition's
  initial priority without any further call (Horgan et al. 2018, appendix F).
  """

  def __init__(self, policy: networks.PolicyNetwork,
               critic: networks.CriticNetwork, noise_scale: float,
               num_environments: int, observation_spec: Any,
               action_spec: specs.BoundedArray, seed: int):
    """Builds the graph for one batch size.

    Args:
      policy: its variables exist.
      critic: its variables exist.
      noise_scale: standard deviation of the noise, in halves of the range
        between the bounds of an action; 0 for the noiseless policy.
      num_environments: the batch size.
      observation_spec: `dm_env.specs.Array` of `<dtype>[stack, features]`.
      action_spec: with finite bounds.
      seed: of the noise.
    """
    self._policy = policy
    self._critic = critic
    self._noise_scale = noise_scale
    self._action_spec = action_spec
    self._minimum, self._maximum = networks.flat_bounds(action_spec)
    self._rng = np.random.default_rng(seed)
    self._shape = (num_environments,) + tuple(observation_spec.shape)
    self._dtype = np.dtype(observation_spec.dtype)
    self._noise_shape = (num_environments, self._minimum.size)
    # Traced once; called directly, it spares a quarter of a small call's time.
    self._act = tf.function(self._act_and_judge).get_concrete_function(
        tf.TensorSpec(self._shape, self._dtype),
        tf.TensorSpec(self._noise_shape, tf.float32))

  def _act_and_judge(self, observation: tf.Tensor, noise: tf.Tensor
                    ) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Action taken, its value, and the value of the policy's own action."""
    greedy = self._policy(observation)
    half_range = 0.5 * self._maximum - 0.5 * self._minimum
    action = tf.clip_by_value(
        greedy + half_range * noise, self._minimum, self._maximum)
    # Both actions in one pass of the critic.
    values = self._critic(
        tf.concat([observation, observation], axis=0),
        tf.concat([action, greedy], axis=0))
    action_value, greedy_value = tf.split(values, 2)
    return action, action_value, greedy_value

  @property
  def variables(self) -> Sequence[tf.Variable]:
    return (*self._policy.trainable_variables,
            *self._critic.trainable_variables)

  def __call__(self, observation: np.ndarray) -> types.PolicyOutput:
    """Chooses actions, as `base.Policy`.

    Raises:
      ValueError: another batch size, shape or dtype than the policy's.
    """
    if observation.shape != self._shape or observation.dtype != self._dtype:
      raise ValueError(
          f'observation is {observation.dtype} of shape {observation.shape}, '
          f'but must be {self._dtype} of shape {self._shape}')
    noise = exploration.gaussian_noise(
        self._noise_shape, self._noise_scale, self._rng)
    action, action_value, greedy_value = self._act(
        tf.constant(observation), tf.constant(noise))
    spec = self._action_spec
    return types.PolicyOutput(
        action=action.numpy().astype(spec.dtype).reshape(
            (-1,) + tuple(spec.shape)),
        action_value=action_value.numpy(),
        bootstrap_value=greedy_value.numpy())

  @property
  def exploration(self) -> str:
    return f'σ {self._noise_scale:.2g}' if self._noise_scale else ''

  def metrics(self) -> Dict[str, float]:
    return {'noise_scale': self._noise_scale}
