"""Several replay servers as one: the batches that a learner makes of them.

Each actor writes to one shard, and each shard is a prioritized table of its own
server with an equal part of the capacity. The learner samples all of them
evenly, an equal part of each batch from each, and every priority goes back to
the shard that its sample came from. So a batch is drawn from the union of all
items with

    q(k) = P_s(k) / S,  P_s(k) = p_k^alpha / Z_s,  Z_s = sum_{j in s} p_j^alpha

for an item k of shard s of S. Where the shards are balanced, Z_s = Z / S, this
is p_k^alpha / Z: the distribution of one table that holds them all. Actors with
as many environments each, dealt to the shards in turn, keep them near that.
Where they are not balanced, an item of a shard with a smaller sum is drawn more
often than one table would draw it; and the importance weights, which hold for
whatever q the items were drawn with, undo that as they undo the priorities:

    w_k = (N q(k))^-beta / max_j (N q(j))^-beta
        = P_s(k)^-beta / max_j P_s(j)^-beta,

over the whole batch: N, the number of all items, and S cancel. At beta = 1 the
weighted mean over a batch estimates, up to that maximum, the mean over all
items, each counted once, however unequal the shards are. Weights that only knew
their own part of the batch would not do: each shard would count as much as any
other, however few items it has.

While a shard is away, or fills again after it has lost its items, or has no
actors, the others make up the batches; their number then takes the place of S.
"""

import time
from typing import (
  Callable,
  Iterator,
  List,
  NamedTuple,
  Optional,
  Sequence,
)

from absl import logging
import reverb
import tensorflow as tf

from apex_tf import losses
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import layout

# A shard that has no part ready for so long is looked at.
_PATIENCE_SECONDS = 1.0
# One that can be sampled, and into which nobody has inserted for so long, has
# lost its actors, and its rate limiter waits for them.
_STARVED_SECONDS = 15.0
# After the first part of all has arrived, how long the other shards may take
# for theirs.
_START_SECONDS = 60.0


class Look(NamedTuple):
  """What a shard's server says of its table.

  Attributes:
    is_full_enough: whether it holds its minimum size.
    inserts: transitions ever inserted.
  """
  is_full_enough: bool
  inserts: int


def look_at(client: reverb.Client, min_size: int) -> Optional[Look]:
  """Looks at a shard; None if it does not answer.

  Args:
    client: of the shard.
    min_size: items that its table needs.
  """
  try:
    info = client.server_info(timeout=1)[layout.TABLE]
  except (reverb.DeadlineExceededError, RuntimeError):
    return None
  return Look(info.current_size >= min_size,
              info.rate_limiter_info.insert_stats.completed)


class _Shard:
  """Where the parts of one shard come from, and whether any can come."""

  def __init__(self, fetcher: dataset_lib.BatchFetcher,
               look: Callable[[], Optional[Look]], name: str):
    """Args: of its parts; looks at its server; for the log."""
    self._fetcher = fetcher
    self._look = look
    self._name = name
    self._inserts = -1
    self._inserted_at = 0.0
    self.is_absent = False

  def take(self, seconds: float) -> Optional[dataset_lib.Batch]:
    """A part, if there is one in time; it is not absent then."""
    part = self._fetcher.take(seconds)
    if part is not None and self.is_absent:
      logging.info('Replay %s is sampled again.', self._name)
      self.is_absent = False
    return part

  def note_absence(self) -> None:
    """Looks whether a part can come at all, and takes note if not."""
    look, now = self._look(), time.monotonic()
    if look is not None and look.is_full_enough:
      if look.inserts != self._inserts:
        self._inserts, self._inserted_at = look.inserts, now
      if now - self._inserted_at < _STARVED_SECONDS:
        return
      why = 'has no actors'
    else:
      why = 'does not answer' if look is None else 'fills again'
    logging.warning('Replay %s %s: batches are of the others.', self._name, why)
    self.is_absent = True


class BatchUnion(Iterator[dataset_lib.Batch]):
  """Batches of equal parts from all shards, taken in turn.

  The first batch waits for every shard, for a minute from the first part on.
  One that has no part ready, and cannot have one, is left out until it has: it
  does not answer, it holds less than its minimum, or nobody inserts into it
  while its rate limiter waits for that. A batch is then of more parts from the
  others, who still take turns.
  """

  def __init__(self, fetchers: Sequence[dataset_lib.BatchFetcher],
               looks: Sequence[Callable[[], Optional[Look]]],
               importance_exponent: float):
    """Initializes a union; nothing is taken yet.

    Args:
      fetchers: of each shard, in batches of an S-th of the learner's.
      looks: of each shard, `look_at` it.
      importance_exponent: beta.
    """
    self._shards = [
        _Shard(fetcher, look, f'shard {number}')
        for number, (fetcher, look) in enumerate(zip(fetchers, looks))]
    self._importance_exponent = importance_exponent
    self._turn = 0  # Counts on.
    # When the shards have to have begun; None before the first part.
    self._start_until: Optional[float] = None

  def __next__(self) -> dataset_lib.Batch:
    """The next batch.

    Raises:
      StopIteration: once the fetchers are stopped.
      Exception: that one of them ended with.
    """
    parts: List[dataset_lib.Batch] = []
    while len(parts) < len(self._shards):
      part = self._take(self._shards[self._turn % len(self._shards)])
      self._turn += 1
      if part is not None:
        parts.append(part)
        if self._start_until is None:
          self._start_until = time.monotonic() + _START_SECONDS
    self._start_until = 0.0
    return join(parts, self._importance_exponent)

  def _take(self, shard: _Shard) -> Optional[dataset_lib.Batch]:
    """A part of this shard; None where it is absent."""
    # Where all are absent, the first to be back is waited for.
    everyone = all(each.is_absent for each in self._shards)
    if shard.is_absent:
      return shard.take(_PATIENCE_SECONDS if everyone else 0.0)
    while True:
      part = shard.take(_PATIENCE_SECONDS)
      if part is not None:
        return part
      if self._start_until is None:
        return None  # Of another, perhaps.
      if time.monotonic() >= self._start_until:
        shard.note_absence()
        if shard.is_absent:
          return None


def join(parts: Sequence[dataset_lib.Batch],
         importance_exponent: float) -> dataset_lib.Batch:
  """One batch of several, which were drawn by shards of their own.

  Args:
    parts: of equal size.
    importance_exponent: beta, for the weights of the whole.
  """
  batch = tf.nest.map_structure(lambda *each: tf.concat(each, axis=0), *parts)
  return batch._replace(importance_weight=losses.importance_weights(
      # Of what is drawn from the union, up to a factor that cancels.
      batch.probability, tf.constant(1), importance_exponent))
