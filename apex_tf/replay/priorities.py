"""The write-back of priorities from the learner to the table."""

import collections
import dataclasses
import threading
from typing import Dict, Optional

from absl import logging
import numpy as np
import reverb

from apex_tf.replay import layout


@dataclasses.dataclass
class PriorityStatistics:
  """Counts since the run's start.

  Attributes:
    written: priorities sent to the table.
    dropped: priorities that the full queue pushed out before they were sent.
    refused: priorities that were not finite or negative.
    lag_steps: learner steps between computing the oldest priority of the last
      write and that write.
  """
  written: int = 0
  dropped: int = 0
  refused: int = 0
  lag_steps: int = 0


class PriorityWriter:
  """Writes priorities back without holding up the learner.

  The queue holds one priority a key: the newest one wins, and where there are
  more than `max_pending` keys the oldest are dropped. Keys that the table has
  removed meanwhile are ignored by it.
  """

  def __init__(self, client: reverb.Client, minimum_priority: float,
               max_pending: int):
    """Initializes a writer; `start` begins its thread.

    Args:
      client: of the replay server.
      minimum_priority: floor of what is written.
      max_pending: bound of the queue, in keys.
    """
    self._client = client
    self._minimum_priority = minimum_priority
    self._max_pending = max_pending
    self._pending: collections.OrderedDict[int, float] = (
        collections.OrderedDict())
    self._pending_since: Optional[int] = None
    self._learner_step = 0
    self._condition = threading.Condition()
    self._stopped = False
    self._thread: Optional[threading.Thread] = None
    self.statistics = PriorityStatistics()

  def start(self) -> None:
    """Writes in a thread from now on; without it, `flush` writes."""
    self._thread = threading.Thread(
        target=self._run, name='priority_writer', daemon=True)
    self._thread.start()

  def update(self, keys: np.ndarray, priorities: np.ndarray,
             learner_step: int) -> None:
    """Queues priorities. Never blocks on the network.

    Args:
      keys: `<uint64>[batch]`.
      priorities: `<float32>[batch]`, |TD error|.
      learner_step: that computed them.
    """
    good = np.isfinite(priorities) & (priorities >= 0)
    floored = np.maximum(priorities[good], self._minimum_priority)
    with self._condition:
      self.statistics.refused += int(priorities.size - good.sum())
      self._learner_step = learner_step
      if self._pending_since is None:
        self._pending_since = learner_step
      for key, priority in zip(keys[good].tolist(), floored.tolist()):
        self._pending[key] = priority
        self._pending.move_to_end(key)
      while len(self._pending) > self._max_pending:
        self._pending.popitem(last=False)
        self.statistics.dropped += 1
      self._condition.notify()

  def flush(self) -> None:
    """Writes all that is queued, in the calling thread."""
    with self._condition:
      updates, since = dict(self._pending), self._pending_since
      self._pending.clear()
      self._pending_since = None
    if not updates:
      return
    self._client.mutate_priorities(layout.TABLE, updates=updates)
    with self._condition:
      self.statistics.written += len(updates)
      self.statistics.lag_steps = self._learner_step - (since or 0)

  def get_state(self) -> Dict[str, int]:
    """The counts, for JSON; what is queued is not part of it."""
    with self._condition:
      return dataclasses.asdict(self.statistics)

  def set_state(self, state: Dict[str, int]) -> None:
    """Counts on from a state that `get_state` returned."""
    with self._condition:
      self.statistics = PriorityStatistics(**state)

  def stop(self) -> None:
    """Ends the thread; what is still queued is dropped."""
    with self._condition:
      self._stopped = True
      self._condition.notify()

  def _run(self) -> None:
    while True:
      with self._condition:
        self._condition.wait_for(lambda: self._pending or self._stopped)
        if self._stopped:
          return
      try:
        self.flush()
      except RuntimeError as error:
        # A lost priority is corrected when its transition is sampled again.
        logging.warning('Priorities were not written: %s', error)
