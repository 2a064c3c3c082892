"""The gradient step of Ape-X DQN."""

from typing import Sequence

import sonnet as snt
import tensorflow as tf

from apex_tf import losses
from apex_tf import types
from apex_tf.agents import base
from apex_tf.agents import step_metrics
from apex_tf.agents.dqn import rmsprop


class DQNLearnerStep(base.LearnerStep):
  """Double Q-learning with a target network that is copied now and then.

  Its metrics, each `<float32>[]`: loss; gradient_norm, the global norm before
  clipping; mean_q, the mean of q(S_t-1, A_t-1); and those of
  `step_metrics.of_batch`. Actions are `<int>[batch]`.

  Attributes:
    online: the network that learns.
    target: the network that gives the bootstrap values; equal at the start.
    optimizer: of the variables of `online`.
  """

  def __init__(self, online: snt.Module, target: snt.Module,
               optimizer: rmsprop.CenteredRMSProp, max_gradient_norm: float,
               target_update_period: int):
    """Makes the target equal to the online network.

    Args:
      online: `<dtype>[batch, stack, *frame]` to `<float32>[batch,
        num_actions]`; its variables exist.
      target: another such network.
      optimizer: built on `online.trainable_variables`.
      max_gradient_norm: the global norm to which gradients are clipped.
      target_update_period: learner steps between copies into `target`.
    """
    super().__init__(
        'dqn_learner_step', online.trainable_variables,
        target.trainable_variables, target_update_period)
    self.online = online
    self.target = target
    self.optimizer = optimizer
    self._max_gradient_norm = max_gradient_norm

  @property
  def policy_variables(self) -> Sequence[tf.Variable]:
    return self.online.trainable_variables

  def _update(self, transition: types.Transition,
              importance_weights: tf.Tensor) -> base.LearnerUpdate:
    q_t_selector = self.online(transition.observation_t)
    q_t_target = self.target(transition.observation_t)
    parameters = self.online.trainable_variables
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(parameters)
      q_tm1 = self.online(transition.observation_tm1)
      td_error = losses.double_q_td_error(
          q_tm1, transition.action_tm1, transition.n_step_return,
          transition.bootstrap_discount, q_t_selector, q_t_target)
      loss = losses.weighted_squared_loss(td_error, importance_weights)
    gradients = tape.gradient(loss, parameters)
    # Given the norm, so that it is not computed twice.
    gradient_norm = tf.linalg.global_norm(gradients)
    gradients, _ = tf.clip_by_global_norm(
        gradients, self._max_gradient_norm, use_norm=gradient_norm)
    self.optimizer.apply(gradients)

    qa_tm1 = tf.gather(
        q_tm1, tf.cast(transition.action_tm1, tf.int32), batch_dims=1)
    return base.LearnerUpdate(
        td_error, {
            'loss': loss,
            'gradient_norm': gradient_norm,
            'mean_q': tf.reduce_mean(qa_tm1),
            **step_metrics.of_batch(td_error, importance_weights),
        })
