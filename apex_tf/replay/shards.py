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

While a shard is away, or fills again after it has lost its items, the others
make up the batches; their number then takes the place of S.
"""

from typing import Callable, Iterator, List, Optional, Sequence

from absl import logging
import reverb
import tensorflow as tf

from apex_tf import losses
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import layout

# A shard that has no part ready for so long is asked whether it can have one.
_PATIENCE_SECONDS = 1.0


def can_be_sampled(client: reverb.Client, min_size: int) -> bool:
  """Whether a shard answers, and holds enough to be sampled.

  Args:
    client: of the shard.
    min_size: items that its table needs.
  """
  try:
    info = client.server_info(timeout=1)[layout.TABLE]
  except (reverb.DeadlineExceededError, RuntimeError):
    return False
  return info.current_size >= min_size


class BatchUnion(Iterator[dataset_lib.Batch]):
  """Batches of equal parts from all shards, taken in turn.

  The first batch waits for every shard. Later, one that has no part ready, and
  cannot be sampled, is left out until it has; a batch is then of more parts
  from the others, who still take turns.
  """

  def __init__(self, fetchers: Sequence[dataset_lib.BatchFetcher],
               is_able: Callable[[int], bool], importance_exponent: float):
    """Initializes a union; nothing is taken yet.

    Args:
      fetchers: of each shard, in batches of an S-th of the learner's.
      is_able: whether a shard, by its number, can be sampled; see
        `can_be_sampled`.
      importance_exponent: beta.
    """
    self._fetchers = list(fetchers)
    self._is_able = is_able
    self._importance_exponent = importance_exponent
    self._turn = 0  # Counts on.
    self._absent = [False] * len(fetchers)
    self._has_begun = False

  def __next__(self) -> dataset_lib.Batch:
    """The next batch.

    Raises:
      StopIteration: once the fetchers are stopped.
      Exception: that one of them ended with.
    """
    parts: List[dataset_lib.Batch] = []
    while len(parts) < len(self._fetchers):
      part = self._take(self._turn % len(self._fetchers))
      self._turn += 1
      if part is not None:
        parts.append(part)
    self._has_begun = True
    return join(parts, self._importance_exponent)

  def _take(self, shard: int) -> Optional[dataset_lib.Batch]:
    """A part of this shard; None where it is, or is found to be, absent."""
    fetcher = self._fetchers[shard]
    # Where all are absent, the first to be back is waited for.
    everyone = all(self._absent)
    while True:
      part = fetcher.take(
          0.0 if self._absent[shard] and not everyone else _PATIENCE_SECONDS)
      if part is not None:
        if self._absent[shard]:
          logging.info('Replay shard %d is sampled again.', shard)
        self._absent[shard] = False
        return part
      if self._absent[shard]:
        return None
      if self._has_begun and not self._is_able(shard):
        logging.warning('Replay shard %d does not answer or fills again: '
                        'batches are of the others.', shard)
        self._absent[shard] = True
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
