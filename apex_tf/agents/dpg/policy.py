"""Deterministic policies with Gaussian noise."""

from typing import Any, Dict, Sequence, Tuple

import numpy as np
import tensorflow as tf

from apex_tf import exploration
from apex_tf import graph_calls
from apex_tf import networks as networks_lib
from apex_tf import types
from apex_tf.agents import base


class DPGPolicy(base.Policy):
  """One batched call of policy and critic.

      A = clip(pi(s) + noise),  values q(s, A) and q(s, pi(s))

  The first value is of the action that is taken, noise and all; the second is
  the bootstrap value of a transition that ends in s. They give the transition's
  initial priority without any further call (Horgan et al. 2018, appendix F).
  """

  def __init__(self, networks: networks_lib.ActorCritic, noise_scale: float,
               num_environments: int, observation_spec: Any, seed: int):
    """Acts with one batch size; the first call builds the graph.

    Args:
      networks: act and judge.
      noise_scale: standard deviation of the noise, in halves of the range
        between the bounds of an action; 0 for the noiseless policy.
      num_environments: the batch size.
      observation_spec: `dm_env.specs.Array` of `<dtype>[stack, features]`.
      seed: of the noise.
    """
    self._networks = networks
    self._noise_scale = noise_scale
    self._rng = np.random.default_rng(seed)
    self._shape = (num_environments,) + tuple(observation_spec.shape)
    self._dtype = np.dtype(observation_spec.dtype)
    self._noise_shape = (num_environments, networks.bounds.size)
    self._act = graph_calls.GraphCall(self._act_and_judge)

  def _act_and_judge(self, observation: tf.Tensor, noise: tf.Tensor
                    ) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Action taken, its value, and the value of the policy's own action."""
    bounds = self._networks.bounds
    greedy = self._networks.policy(observation)
    action = bounds.clip(greedy + bounds.half_range * noise)
    # Both actions in one pass of the critic.
    values = self._networks.critic(
        tf.concat([observation, observation], axis=0),
        tf.concat([action, greedy], axis=0))
    action_value, greedy_value = tf.split(values, 2)
    return action, action_value, greedy_value

  @property
  def variables(self) -> Sequence[tf.Variable]:
    return self._networks.learned_variables

  def __call__(self, observation: np.ndarray) -> types.PolicyOutput:
    """Chooses actions, as `base.Policy`.

    Raises:
      ValueError: another batch size, shape or dtype than the policy's.
    """
    base.check_observation(observation, self._shape, self._dtype)
    noise = exploration.gaussian_noise(
        self._noise_shape, self._noise_scale, self._rng)
    action, action_value, greedy_value = self._act(
        tf.constant(observation), tf.constant(noise))
    return types.PolicyOutput(
        action=self._networks.bounds.unflatten(action.numpy()),
        action_value=action_value.numpy(),
        bootstrap_value=greedy_value.numpy())

  @property
  def exploration(self) -> str:
    return f'σ {self._noise_scale:.2g}' if self._noise_scale else ''

  def metrics(self) -> Dict[str, float]:
    return {'noise_scale': self._noise_scale}
