"""The learning role: batches in, priorities and variables out."""

import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from acme import core
import numpy as np

from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import eviction as eviction_lib
from apex_tf.replay import priorities as priorities_lib


class _Step(NamedTuple):
  """What a step was made of and what it gave."""
  batch: dataset_lib.Batch
  output: agents.LearnerStepOutput


class Learner(core.Learner):
  """An `acme.core.Learner` and `VariableSource` for any agent.

  One step is Algorithm 2 of the paper: a prioritized batch, a gradient step
  weighted for the sampling, new priorities on their way back, and now and then
  a snapshot of the variables for the actors. Beside it, an evictor may remove
  what is too much for replay.
  """

  def __init__(self, learner_step: agents.LearnerStep,
               batches: Iterator[dataset_lib.Batch],
               priority_writer: priorities_lib.PriorityWriter,
               publish_period: int,
               evictor: Optional[eviction_lib.PrioritizedEvictor] = None):
    """Initializes a learner that has made no step.

    Args:
      learner_step: the agent's gradient step.
      batches: sampled from replay.
      priority_writer: takes |TD error| back to replay.
      publish_period: learner steps between snapshots.
      evictor: learns what was sampled, if replay evicts by priority.
    """
    self._learner_step = learner_step
    self._batches = batches
    self._priority_writer = priority_writer
    self._publish_period = publish_period
    self._evictor = evictor
    self._publisher = variables_lib.VariablePublisher(
        learner_step.policy_variables)
    self._last: Optional[_Step] = None
    self.num_steps = 0
    self.batch_wait_seconds = 0.0

  def step(self) -> None:
    """One learner step.

    Raises:
      StopIteration: when there are no more batches.
    """
    start = time.monotonic()
    batch = next(self._batches)
    self.batch_wait_seconds += time.monotonic() - start
    output = self._learner_step(batch.transition, batch.importance_weight)
    self.num_steps += 1
    keys, priorities = batch.key.numpy(), np.abs(output.td_error.numpy())
    self._priority_writer.update(keys, priorities, self.num_steps)
    if self._evictor is not None:
      self._evictor.observe(keys, batch.probability.numpy(), priorities)
    if self.num_steps % self._publish_period == 0:
      self.publish()
    self._last = _Step(batch, output)

  def publish(self) -> None:
    """Makes the present variables the newest version."""
    self._publisher.publish(self.num_steps)

  def publish_kept(self) -> None:
    """Makes the version that was last evaluated the newest again."""
    self._publisher.publish_kept()

  @property
  def published_version(self) -> int:
    """Learner step of the newest snapshot."""
    return self._publisher.learner_step

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """Collections of the newest snapshot; see `variables.VariablePublisher`."""
    return self._publisher.get_variables(names)

  def get_and_keep_variables(self, names: Sequence[str]) -> List[Any]:
    """As `get_variables`, of a version that `publish_kept` can return to."""
    return self._publisher.get_and_keep_variables(names)

  def metrics(self) -> Dict[str, float]:
    """Of the newest step, named as in the metrics table; {} before the first.

    `sample_age` counts the learner steps since the policy that acted.
    """
    last = self._last
    if last is None:
      return {}
    statistics = self._priority_writer.statistics
    evicted = self._evictor.statistics.evicted if self._evictor else 0
    age = self.num_steps - last.batch.learner_step.numpy()
    metrics = {
        name: float(value) for name, value in last.output.metrics.items()
    }
    metrics.update(
        sample_age_p50=float(np.percentile(age, 50)),
        sample_age_p90=float(np.percentile(age, 90)),
        priority_lag_steps=float(statistics.lag_steps),
        priority_updates_dropped=float(statistics.dropped),
        priorities_refused=float(statistics.refused),
        items_evicted=float(evicted),
        batch_wait_seconds=self.batch_wait_seconds,
        published_version=float(self.published_version))
    return metrics
