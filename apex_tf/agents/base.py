"""What the roles ask of an agent, so that they need not know which it is."""

import abc
from typing import Dict, NamedTuple, Sequence, Tuple

import numpy as np
import tensorflow as tf

from apex_tf import graph_calls
from apex_tf import types


class Policy(abc.ABC):
  """Acts on a batch of observations."""

  @property
  @abc.abstractmethod
  def variables(self) -> Sequence[tf.Variable]:
    """The variables to be fetched from the learner, in the learner's order."""

  @abc.abstractmethod
  def __call__(self, observation: np.ndarray) -> types.PolicyOutput:
    """Chooses actions.

    Args:
      observation: `<dtype>[batch, stack, *frame]`.

    Returns:
      Actions and their values, as numpy arrays with the leading `batch`.
    """

  @property
  def exploration(self) -> str:
    """How it explores, in a word or two for a person; "" if it does not."""
    return ''

  def metrics(self) -> Dict[str, float]:
    """Exploration settings to be logged, such as epsilons; names as in the
    metrics table."""
    return {}


def check_observation(observation: np.ndarray, shape: Sequence[int],
                      dtype: np.dtype) -> None:
  """Refuses what a policy's graph was not made for.

  Args:
    observation: what the policy is called with.
    shape: what it was made for, the batch first.
    dtype: likewise.

  Raises:
    ValueError: another batch size, shape or dtype.
  """
  if observation.shape != tuple(shape) or observation.dtype != dtype:
    raise ValueError(
        f'observation is {observation.dtype} of shape {observation.shape}, '
        f'but must be {dtype} of shape {tuple(shape)}')


class LearnerUpdate(NamedTuple):
  """What an agent's update gives.

  Attributes:
    td_error: `<float32>[batch]`, signed; its absolute value is the priority.
    metrics: scalars, named as in the metrics table.
  """
  td_error: tf.Tensor
  metrics: Dict[str, tf.Tensor]


class LearnerStepOutput(NamedTuple):
  """What one learner step returns.

  Attributes:
    td_error: of the update.
    metrics: of the update.
    num_steps: learner steps taken, this one included.
  """
  td_error: tf.Tensor
  metrics: Dict[str, tf.Tensor]
  num_steps: int


class LearnerStep(tf.Module, abc.ABC):
  """One gradient step of an agent and the variables that it changes.

  Everything that changes is a `tf.Variable` reached from here, so that a
  `tf.train.Checkpoint` of this module holds all of it.

  Attributes:
    num_steps: `<int64>[]` variable, learner steps taken.
  """

  def __init__(self, name: str, sources: Sequence[tf.Variable],
               targets: Sequence[tf.Variable], target_update_period: int):
    """Makes the target variables equal to their sources.

    Args:
      name: of the module.
      sources: variables that learn.
      targets: their copies, in the same order.
      target_update_period: learner steps between hard copies into `targets`.
    """
    super().__init__(name=name)
    self.num_steps = tf.Variable(
        0, trainable=False, dtype=tf.int64, name='num_steps')
    self._target_pairs = list(zip(sources, targets))
    self._target_update_period = target_update_period
    self._update_graph = graph_calls.GraphCall(self._update_and_count)
    self._copy_into_targets()

  @property
  @abc.abstractmethod
  def policy_variables(self) -> Sequence[tf.Variable]:
    """The variables that a `Policy` fetches, in the same order."""

  def __call__(self, transition: types.Transition,
               importance_weights: tf.Tensor) -> LearnerStepOutput:
    """Updates the variables with one batch.

    The update is one graph; the copy into the targets is made beside it, once
    a period.

    A new batch size or dtype traces a new graph.

    Args:
      transition: a batch of tensors.
      importance_weights: `<float32>[batch]`.

    Returns:
      The signed TD errors before the update, the metrics, and the count.

    Raises:
      ValueError: a tensor of another rank or dtype.
    """
    update, count = self._update_graph(transition, importance_weights)
    num_steps = int(count)
    if num_steps % self._target_update_period == 0:
      self._copy_into_targets()
    return LearnerStepOutput(update.td_error, update.metrics, num_steps)

  def _update_and_count(
      self, transition: types.Transition, importance_weights: tf.Tensor
  ) -> Tuple[LearnerUpdate, tf.Tensor]:
    """What the graph is traced from."""
    update = self._update(transition, importance_weights)
    return update, tf.identity(self.num_steps.assign_add(1))

  @abc.abstractmethod
  def _update(self, transition: types.Transition,
              importance_weights: tf.Tensor) -> LearnerUpdate:
    """The update of `__call__`, as a part of its graph."""

  def _copy_into_targets(self) -> None:
    for source, target in self._target_pairs:
      target.assign(source)


class Agent(abc.ABC):
  """Builds the parts of one agent for an environment."""

  @abc.abstractmethod
  def make_behavior_policy(self, environment_indices: Sequence[int],
                           seed: int) -> Policy:
    """The exploring policy of an actor.

    Args:
      environment_indices: the place of each of the actor's environments among
        the environments of all actors, which decides how it explores.
      seed: of the exploration's random numbers.
    """

  @abc.abstractmethod
  def make_evaluation_policy(self, num_environments: int, seed: int) -> Policy:
    """The policy whose returns are reported."""

  @abc.abstractmethod
  def make_learner_step(self, seed: int) -> LearnerStep:
    """The learner's side, freshly initialized from `seed`."""
