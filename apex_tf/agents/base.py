"""What the roles ask of an agent, so that they need not know which it is."""

import abc
from typing import Dict, NamedTuple, Sequence

import numpy as np
import tensorflow as tf

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


class LearnerStepOutput(NamedTuple):
  """What one learner step returns.

  Attributes:
    td_error: `<float32>[batch]`, signed; its absolute value is the priority.
    metrics: scalars, named as in the metrics table.
  """
  td_error: tf.Tensor
  metrics: Dict[str, tf.Tensor]


class LearnerStep(tf.Module, abc.ABC):
  """One gradient step of an agent and the variables that it changes."""

  @property
  @abc.abstractmethod
  def policy_variables(self) -> Sequence[tf.Variable]:
    """The variables that a `Policy` fetches, in the same order."""

  @abc.abstractmethod
  def __call__(self, transition: types.Transition,
               importance_weights: tf.Tensor) -> LearnerStepOutput:
    """Updates the variables with one batch, as one `tf.function`.

    Args:
      transition: a batch of tensors.
      importance_weights: `<float32>[batch]`.
    """


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
