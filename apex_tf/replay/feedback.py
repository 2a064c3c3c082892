"""What a learner step tells replay: new priorities, and who was drawn."""

import dataclasses
from typing import Any, Dict, Optional, Sequence

import numpy as np

from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import eviction as eviction_lib
from apex_tf.replay import priorities as priorities_lib


@dataclasses.dataclass
class ShardFeedback:
  """The way back to one shard.

  Attributes:
    priority_writer: writes priorities to its table.
    evictor: removes what is too much for it, if replay evicts by priority.
  """
  priority_writer: priorities_lib.PriorityWriter
  evictor: Optional[eviction_lib.PrioritizedEvictor] = None


class Feedback:
  """The way back to replay: each sample's priority goes where it came from."""

  def __init__(self, shards: Sequence[ShardFeedback]):
    """Args: of each shard, in their order."""
    self._shards = list(shards)

  def start(self) -> None:
    """Writes and evicts in threads from now on; without it, `flush` does."""
    for shard in self._shards:
      shard.priority_writer.start()
      if shard.evictor is not None:
        shard.evictor.start()

  def stop(self) -> None:
    """Ends the threads; what is still to be written is dropped."""
    for shard in self._shards:
      shard.priority_writer.stop()
      if shard.evictor is not None:
        shard.evictor.stop()

  def update(self, batch: dataset_lib.Batch, priorities: np.ndarray,
             learner_step: int) -> None:
    """Takes what a step has found. Never blocks on the network.

    Args:
      batch: of the step.
      priorities: `<float32>[batch]`, |TD error|.
      learner_step: that computed them.
    """
    keys, owner = batch.key.numpy(), batch.shard.numpy()
    for index, shard in enumerate(self._shards):
      mine = owner == index
      if not mine.any():
        continue
      shard.priority_writer.update(keys[mine], priorities[mine], learner_step)
      if shard.evictor is not None:
        shard.evictor.observe(
            keys[mine], batch.probability.numpy()[mine], priorities[mine])

  def flush(self) -> None:
    """Writes and evicts now, in the calling thread."""
    for shard in self._shards:
      shard.priority_writer.flush()
      if shard.evictor is not None:
        shard.evictor.remove_to_fit()

  def metrics(self) -> Dict[str, float]:
    """Named as in the metrics table: sums, and the longest lag."""
    written = [shard.priority_writer.statistics for shard in self._shards]
    evicted = [shard.evictor.statistics.evicted for shard in self._shards
               if shard.evictor is not None]
    return {
        'priority_lag_steps': float(max(each.lag_steps for each in written)),
        'priority_updates_dropped': float(sum(
            each.dropped for each in written)),
        'priorities_refused': float(sum(each.refused for each in written)),
        'items_evicted': float(sum(evicted)),
    }

  def get_state(self) -> Dict[str, Any]:
    """Counts and random states, for JSON."""
    return {'shards': [{
        'priority_writer': shard.priority_writer.get_state(),
        'evictor': shard.evictor.get_state() if shard.evictor else None,
    } for shard in self._shards]}

  def set_state(self, state: Dict[str, Any]) -> None:
    """Goes on from a state that `get_state` returned; before `start`."""
    for shard, its in zip(self._shards, state['shards']):
      shard.priority_writer.set_state(its['priority_writer'])
      if shard.evictor is not None and its['evictor'] is not None:
        shard.evictor.set_state(its['evictor'])
