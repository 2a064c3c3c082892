"""The gradient step of Ape-X DPG."""

from typing import Any, Sequence

import sonnet as snt
import tensorflow as tf

from apex_tf import losses
from apex_tf import networks
from apex_tf import types
from apex_tf.agents import base
from apex_tf.agents import step_metrics

# An action this close to a bound, as a share of its range, is saturated.
_SATURATION_MARGIN = 0.01


class DPGLearnerStep(base.LearnerStep):
  """A critic's and a policy's step, from the variables before either.

      critic:  minimize mean_k w_k delta_k^2 / 2, with
               delta = G + bootstrap_discount q'(S_t, pi'(S_t)) - q(S, A)
      policy:  ascend q(S, pi(S)), each element of dq/da clipped

  with q' and pi' the targets. Horgan et al. 2018, section 3.2 and appendix D.
  The importance weights are in the critic's loss only: the policy's is no error
  of the sampled transition, and the paper does not weight it.

  Its metrics, each `<float32>[]`: loss and gradient_norm of the critic; mean_q,
  the mean of q(S_t-1, A_t-1); those of `step_metrics.of_batch`; and those of
  the agent's `metrics` module. Actions are `<float32>[batch, *action]`.

  Attributes:
    online: the networks that learn.
    target: those that give the bootstrap values; equal at the start.
    critic_optimizer: of the critic's variables.
    policy_optimizer: of the policy's variables.
  """

  def __init__(self, online: networks.ActorCritic,
               target: networks.ActorCritic,
               critic_optimizer: snt.Optimizer, policy_optimizer: snt.Optimizer,
               action_gradient_clip: float, target_update_period: int):
    """Makes the targets equal to the networks that learn.

    Args:
      online: learns.
      target: other such networks.
      critic_optimizer: its `apply` takes gradients and variables.
      policy_optimizer: likewise.
      action_gradient_clip: bound of each element of dq/da.
      target_update_period: learner steps between copies into `target`.
    """
    super().__init__(
        'dpg_learner_step', online.learned_variables, target.learned_variables,
        target_update_period)
    self.online = online
    self.target = target
    self.critic_optimizer = critic_optimizer
    self.policy_optimizer = policy_optimizer
    self._clip = action_gradient_clip

  @property
  def policy_variables(self) -> Sequence[tf.Variable]:
    return self.online.learned_variables

  def _update(self, transition: types.Transition,
              importance_weights: tf.Tensor) -> base.LearnerUpdate:
    policy, critic = self.online.policy, self.online.critic
    observation_tm1 = transition.observation_tm1
    action_tm1 = self.online.bounds.flatten(transition.action_tm1)
    q_t = self.target.critic(transition.observation_t,
                             self.target.policy(transition.observation_t))
    with tf.GradientTape() as tape:
      q_tm1 = critic(observation_tm1, action_tm1)
      td_error = losses.td_error(
          q_tm1, transition.n_step_return, transition.bootstrap_discount, q_t)
      loss = losses.weighted_squared_loss(td_error, importance_weights)
    critic_gradients = tape.gradient(loss, critic.trainable_variables)

    with tf.GradientTape() as policy_tape:
      action = policy(observation_tm1)
      with tf.GradientTape(watch_accessed_variables=False) as action_tape:
        action_tape.watch(action)
        policy_q = critic(observation_tm1, action)
      action_gradient = action_tape.gradient(policy_q, action)
      policy_loss = losses.deterministic_policy_gradient_loss(
          action, action_gradient, self._clip)
    policy_gradients = policy_tape.gradient(
        policy_loss, policy.trainable_variables)

    self.critic_optimizer.apply(critic_gradients, critic.trainable_variables)
    self.policy_optimizer.apply(policy_gradients, policy.trainable_variables)

    clipped = tf.abs(action_gradient) > self._clip
    return base.LearnerUpdate(
        td_error, {
            'loss': loss,
            'gradient_norm': tf.linalg.global_norm(critic_gradients),
            'mean_q': tf.reduce_mean(q_tm1),
            'policy_q': tf.reduce_mean(policy_q),
            'policy_gradient_norm': tf.linalg.global_norm(policy_gradients),
            'action_gradient_clipped': _share(clipped),
            'action_saturation': _share(self._is_saturated(action)),
            **step_metrics.of_batch(td_error, importance_weights),
        })

  def _is_saturated(self, action: tf.Tensor) -> tf.Tensor:
    """`<bool>[batch, size]`, of `<float32>[batch, size]`."""
    bounds = self.online.bounds
    return tf.abs(action - bounds.middle) > (
        bounds.half_range * (1 - 2 * _SATURATION_MARGIN))


def make_adam(learning_rate: float,
              parameters: Sequence[tf.Variable]) -> Any:
  """Adam (Kingma and Ba 2015) with its averages in place.

  Sonnet would create them in the first call of `apply`, inside the graph.
  """
  optimizer = snt.optimizers.Adam(learning_rate)
  optimizer._initialize(parameters)  # pylint: disable=protected-access
  return optimizer


def _share(condition: tf.Tensor) -> tf.Tensor:
  return tf.reduce_mean(tf.cast(condition, tf.float32))
