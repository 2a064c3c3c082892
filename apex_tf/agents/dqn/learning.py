"""The gradient step of Ape-X DQN."""

from typing import Dict, Sequence

import sonnet as snt
import tensorflow as tf

from apex_tf import losses
from apex_tf import types
from apex_tf.agents import base
from apex_tf.agents.dqn import rmsprop


def _percentile(sorted_values: tf.Tensor, fraction: float) -> tf.Tensor:
  """Interpolates linearly in `<float32>[batch]` that is sorted already."""
  place = fraction * tf.cast(tf.size(sorted_values) - 1, tf.float32)
  below = tf.gather(sorted_values, tf.cast(tf.floor(place), tf.int32))
  above = tf.gather(sorted_values, tf.cast(tf.math.ceil(place), tf.int32))
  return below + (place - tf.floor(place)) * (above - below)


class DQNLearnerStep(base.LearnerStep):
  """Double Q-learning with a target network that is copied now and then.

  Everything that changes is a `tf.Variable` reached from here, so that a
  `tf.train.Checkpoint` of this module holds all of it.

  Attributes:
    online: the network that learns.
    target: the network that gives the bootstrap values; equal at the start.
    optimizer: of the variables of `online`.
    num_steps: `<int64>[]` variable, learner steps taken.
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
    super().__init__(name='dqn_learner_step')
    self.online = online
    self.target = target
    self.optimizer = optimizer
    self.num_steps = tf.Variable(
        0, trainable=False, dtype=tf.int64, name='num_steps')
    self._max_gradient_norm = max_gradient_norm
    self._target_update_period = target_update_period
    self._copy_into_target()

  @property
  def policy_variables(self) -> Sequence[tf.Variable]:
    return self.online.trainable_variables

  def __call__(self, transition: types.Transition,
               importance_weights: tf.Tensor) -> base.LearnerStepOutput:
    """Updates the variables with one batch.

    The update is one `tf.function`; the copy into the target is made beside it,
    once a period. In TensorFlow 2.8 a graph that calls other graphs, as
    `tf.cond` would, now and then loses them in a process that also samples
    from Reverb ("Op type not registered 'cond_true_...'").

    A new batch size or dtype traces a new graph.

    Args:
      transition: tensors; actions are `<int>[batch]`.
      importance_weights: `<float32>[batch]`.

    Returns:
      The signed TD errors before the update, `<float32>[batch]`, and the
      metrics, each `<float32>[]`: loss; gradient_norm, the global norm before
      clipping; mean_q, the mean of q(S_t-1, A_t-1); td_error_p10, _p50 and
      _p90, percentiles of the absolute TD error; weight_mean and weight_min,
      of the importance weights.

    Raises:
      ValueError: a tensor of another rank or dtype.
    """
    output = self._update(transition, importance_weights)
    if self.num_steps.numpy() % self._target_update_period == 0:
      self._copy_into_target()
    return output

  @tf.function
  def _update(self, transition: types.Transition,
              importance_weights: tf.Tensor) -> base.LearnerStepOutput:
    """The graph of `__call__`."""
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

    self.num_steps.assign_add(1)

    qa_tm1 = tf.gather(
        q_tm1, tf.cast(transition.action_tm1, tf.int32), batch_dims=1)
    return base.LearnerStepOutput(
        td_error, {
            'loss': loss,
            'gradient_norm': gradient_norm,
            'mean_q': tf.reduce_mean(qa_tm1),
            'weight_mean': tf.reduce_mean(importance_weights),
            'weight_min': tf.reduce_min(importance_weights),
            **self._td_error_metrics(td_error),
        })

  def _td_error_metrics(self, td_error: tf.Tensor) -> Dict[str, tf.Tensor]:
    sorted_error = tf.sort(tf.abs(td_error))
    return {
        f'td_error_p{percent}': _percentile(sorted_error, percent / 100)
        for percent in (10, 50, 90)
    }

  def _copy_into_target(self) -> None:
    for source, destination in zip(self.online.trainable_variables,
                                   self.target.trainable_variables):
      destination.assign(source)
