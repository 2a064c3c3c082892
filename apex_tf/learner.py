"""The learning role: batches in, priorities and variables out."""

import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from acme import core
import numpy as np
import tensorflow as tf

from apex_tf import non_finite
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import feedback as feedback_lib


class _Step(NamedTuple):
  """What a step was made of and what it gave."""
  batch: dataset_lib.Batch
  output: agents.LearnerStepOutput


class Learner(core.Learner):
  """An `acme.core.Learner` and `VariableSource` for any agent.

  One step is Algorithm 2 of the paper: a prioritized batch, a gradient step
  weighted for the sampling, new priorities on their way back, and now and then
  a snapshot of the variables for the actors.
  """

  def __init__(self, learner_step: agents.LearnerStep,
               batches: Iterator[dataset_lib.Batch],
               feedback: feedback_lib.Feedback, publish_period: int):
    """Initializes a learner that has made no step.

    Args:
      learner_step: the agent's gradient step.
      batches: sampled from replay.
      feedback: takes |TD error| back to replay.
      publish_period: learner steps between snapshots.
    """
    self._learner_step = learner_step
    self._batches = batches
    self._feedback = feedback
    self._publish_period = publish_period
    self._publisher = variables_lib.VariablePublisher(
        learner_step.policy_variables)
    self._last: Optional[_Step] = None
    self.batch_wait_seconds = 0.0

  @property
  def num_steps(self) -> int:
    """Learner steps taken, those before a resume included."""
    return int(self._learner_step.num_steps.numpy())

  @property
  def module(self) -> tf.Module:
    """Holds every variable that a step changes, `num_steps` among them."""
    return self._learner_step

  def step(self) -> None:
    """One learner step.

    Raises:
      StopIteration: when there are no more batches.
      NonFiniteError: the loss or a gradient is not finite. The variables are
        lost by then, and were not published.
    """
    start = time.monotonic()
    batch = next(self._batches)
    self.batch_wait_seconds += time.monotonic() - start
    output = self._learner_step(batch.transition, batch.importance_weight)
    num_steps = output.num_steps
    td_error = output.td_error.numpy()
    self._feedback.update(batch, np.abs(td_error), num_steps)
    non_finite.check_step(num_steps, batch, output.metrics, td_error)
    if num_steps % self._publish_period == 0:
      self.publish()
    self._last = _Step(batch, output)

  def publish(self) -> None:
    """Makes the present variables the newest version."""
    self._publisher.publish(self.num_steps)

  def publish_last(self, reached_target: bool) -> None:
    """Publishes what the final evaluation measures and the run leaves behind.

    Args:
      reached_target: whether evaluations have reached the target. Then it is
        the version that reached it, since the learner has gone on while that
        was measured; otherwise the present variables.
    """
    if reached_target:
      self._publisher.publish_kept()
    else:
      self.publish()

  @property
  def published_version(self) -> int:
    """Learner step of the newest snapshot."""
    return self._publisher.published_version

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """Collections of the newest snapshot; see `variables.VariablePublisher`."""
    return self._publisher.get_variables(names)

  def get_and_keep_variables(self, names: Sequence[str]) -> List[Any]:
    """As `get_variables`, of a version that `publish_last` can return to."""
    return self._publisher.get_and_keep_variables(names)

  @property
  def kept_variables(self) -> variables_lib.Version:
    """What `publish_last` would publish where the target was reached."""
    return self._publisher.kept_variables

  def get_state(self) -> Dict[str, Any]:
    """Counters and random state, for JSON; `module` has the variables."""
    return {
        'batch_wait_seconds': self.batch_wait_seconds,
        'feedback': self._feedback.get_state(),
    }

  def set_state(self, state: Dict[str, Any],
                kept: variables_lib.Version) -> None:
    """Goes on from a state, and publishes the variables that `module` has.

    To be called before the first step, once `module` is restored.

    Args:
      state: that `get_state` returned.
      kept: then the `kept_variables`.
    """
    self.batch_wait_seconds = state['batch_wait_seconds']
    self._feedback.set_state(state['feedback'])
    self.publish()
    self._publisher.keep(kept)

  def metrics(self) -> Dict[str, float]:
    """Of the newest step, named as in the metrics table; {} before the first.

    `sample_age` counts the learner steps since the policy that acted.
    """
    last = self._last
    if last is None:
      return {}
    age = self.num_steps - last.batch.learner_step.numpy()
    metrics = {
        name: float(value) for name, value in last.output.metrics.items()
    }
    metrics.update(
        self._feedback.metrics(),
        sample_age_p50=float(np.percentile(age, 50)),
        sample_age_p90=float(np.percentile(age, 90)),
        batch_wait_seconds=self.batch_wait_seconds,
        published_version=float(self.published_version))
    return metrics
