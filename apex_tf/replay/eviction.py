"""Prioritized eviction: which transitions leave a full replay, by priority."""

import collections
import dataclasses
import threading
from typing import Any, Deque, Dict, NamedTuple, Optional

import numpy as np
import reverb

from apex_tf import background
from apex_tf.replay import layout

# Seconds between two looks of the thread at the table. What comes in meanwhile
# should fit into the slack of `tables.py`, or the oldest leave for it: small
# tables need short periods.
_PERIOD_SECONDS = 0.05
_SERVER_TIMEOUT_SECONDS = 1
# Keys in one call, which holds the table's lock: well below a millisecond.
_KEYS_PER_CALL = 1000
# Most evictions for each draw; see `PrioritizedEvictor`.
_EVICTIONS_PER_DRAW = 0.5


class Weights(NamedTuple):
  """How strongly each transition is drawn for eviction.

  Attributes:
    keys: `<uint64>[num_keys]`, distinct, ascending.
    log_weights: `<float64>[num_keys]`, up to a constant.
  """
  keys: np.ndarray
  log_weights: np.ndarray


def eviction_weights(keys: np.ndarray, probabilities: np.ndarray,
                     priorities: np.ndarray, exponent: float) -> Weights:
  """Weighs each key by priority^exponent * sum over its draws of 1/probability.

  Args:
    keys: `<uint64>[num_draws]` of the sampled transitions, oldest draw first;
      at least one.
    probabilities: `<float64>[num_draws]`, with which each was sampled.
    priorities: `<float64>[num_draws]`, that the learner gave it then; the one
      of a key's newest draw counts.
    exponent: of the priorities.

  Returns:
    The weight of each distinct key.
  """
  # One sort, which need not be stable: half the time of `np.unique`.
  order = np.argsort(keys)
  ordered = keys[order]
  starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
  newest = np.maximum.reduceat(order, starts)
  inverse_sum = np.add.reduceat(1.0 / probabilities[order], starts)
  return Weights(
      ordered[starts],
      exponent * np.log(priorities[newest]) + np.log(inverse_sum))


def draw_without_replacement(log_weights: np.ndarray, count: int,
                             rng: np.random.Generator) -> np.ndarray:
  """Indices drawn one after another, each in proportion to what is left.

  The largest of log weight + Gumbel noise are such a sample (Gumbel top-k,
  Vieira 2014), and their order is the order of the draws.

  Args:
    log_weights: `<float64>[num]`.
    count: of indices; all are drawn where it is more than there are.
    rng: of the noise.

  Returns:
    `<int64>[min(count, num)]`, distinct.
  """
  count = min(count, log_weights.size)
  scores = log_weights + rng.gumbel(size=log_weights.size)
  chosen = np.argpartition(-scores, count - 1)[:count] if count else (
      np.zeros(0, np.int64))
  return chosen[np.argsort(-scores[chosen])]


@dataclasses.dataclass
class EvictionStatistics:
  """Counts since the run's start.

  Attributes:
    evicted: transitions whose removal the table confirmed; the few that it
      had lost before, as the oldest of an overfull table, included.
  """
  evicted: int = 0


class _Evicted(NamedTuple):
  """Keys of one sweep, and how many draws had been seen by then."""
  num_draws: int
  keys: np.ndarray


class PrioritizedEvictor:
  """Brings a full table back to its capacity, low priorities first.

  In Algorithm 2 of Horgan et al. 2018 the learner calls REMOVETOFIT now and
  then. With prioritized eviction it draws what to remove with probability
  P_evict(k) ~ p_k^a, a = -0.4. Reverb has no such remover: its selectors refuse
  negative exponents, and only its server knows all priorities. But each sample
  comes with P_t(k) ~ p_k^0.6, the probability with which draw t found it, and
  that is enough. Over the T newest draws, let

    v_k = sum over the draws t of k of 1 / P_t(k).

  Draw t adds 1 / P_t(k) with probability P_t(k), on average 1, to every k in
  the table: E[v_k] = T, whatever its priority. P_t includes the normalizer of
  its moment, so that a table that changes slowly or fast does no harm. Hence

    w_k = p_k^a v_k,    E[w_k] = T p_k^a,

  with p_k the priority that the learner last gave it, and drawing by w is the
  law asked for, by importance resampling. A draw weighs p^(a - 0.6) = p^-1,
  which is heavy-tailed: the pool of T draws has to be much larger than the
  number of evictions that one sweep chooses from it.

  Where it is not quite that law:

  - p_k is the priority of a draw, as the learner has refreshed it. A transition
    whose error fell since it was last written, and that was not drawn since, is
    known to nobody.
  - In the share w_k / sum w the denominator is random too: a bias of the order
    of 1 / T.
  - An item younger than the pool was there for fewer draws, and is evicted that
    much more rarely: the pool should span a small part of an item's stay.
  - What was never drawn cannot be evicted. With s draws per insert, k is drawn
    s p_k^0.6 / S_0.6 times and to be evicted p_k^a / S_a times an insert, with
    S_x = sum p^x. The law holds where the former is well above the latter, for
    p_k above (S_0.6 / S_a) / s: about the mean priority / s. Below, an item
    leaves as soon as it is found, which is later than p^a asks for.
  - For small s that threshold would exceed the mean: nearly all that is drawn
    would be evicted, and high priorities are drawn first. So at most every
    second draw allows an eviction; what is then too much leaves by the table's
    own rule, the oldest first (see `tables.py`).
  """

  def __init__(self, client: reverb.Client, capacity: int, exponent: float,
               pool_size: int, minimum_priority: float, seed: int):
    """Initializes an evictor without draws; `start` begins its thread.

    Args:
      client: of the replay server.
      capacity: transitions that remain.
      exponent: a, of the priorities.
      pool_size: T, newest draws to choose from.
      minimum_priority: floor of the priorities, as in what is written back.
      seed: of the choice.
    """
    self._client = client
    self._capacity = capacity
    self._exponent = exponent
    self._pool_size = pool_size
    self._minimum_priority = minimum_priority
    # A sweep costs the same for one eviction as for thousands; but the table
    # has a slack of 2 % of its capacity, and the pool should hold many more.
    self._min_evictions = max(1, min(capacity // 100, pool_size // 50))
    self._rng = np.random.default_rng(seed)
    # A ring: draw number t, counted from 0, is at t % pool_size.
    self._keys = np.zeros(pool_size, np.uint64)
    self._probabilities = np.zeros(pool_size)
    self._priorities = np.zeros(pool_size)
    self._num_draws = 0
    # Evictions that the draws allow as yet.
    self._allowance = 0.0
    # Of these keys the ring may hold draws.
    self._evicted: Deque[_Evicted] = collections.deque()
    self._lock = threading.Lock()  # Of the ring and the allowance.
    self._task: Optional[background.PeriodicTask] = None
    self.statistics = EvictionStatistics()

  def start(self) -> None:
    """Evicts in a thread from now on; without it, `remove_to_fit` does."""
    self._task = background.PeriodicTask(
        self.remove_to_fit, _PERIOD_SECONDS, 'evictor')

  def stop(self) -> None:
    """Ends the thread."""
    if self._task is not None:
      self._task.stop()

  def get_state(self) -> Dict[str, Any]:
    """Count and random state, for JSON.

    The pool is not part of it: it fills again from what is sampled.
    """
    generator = self._rng.bit_generator
    with generator.lock:  # The thread may be drawing.
      return {'evicted': self.statistics.evicted, 'generator': generator.state}

  def set_state(self, state: Dict[str, Any]) -> None:
    """Goes on from a state that `get_state` returned; before `start`."""
    self.statistics.evicted = state['evicted']
    self._rng.bit_generator.state = state['generator']

  def observe(self, keys: np.ndarray, probabilities: np.ndarray,
              priorities: np.ndarray) -> None:
    """Notes the draws of one learner step. Never blocks on the network.

    Args:
      keys: `<uint64>[batch]`.
      probabilities: `<float64>[batch]`, with which they were sampled.
      priorities: `<float32>[batch]`, |TD error| as it is written back.
    """
    good = (np.isfinite(probabilities) & (probabilities > 0) &
            np.isfinite(priorities) & (priorities >= 0))
    # More than the ring has room for would meet itself.
    newest = np.flatnonzero(good)[-self._pool_size:]
    with self._lock:
      slots = (self._num_draws + np.arange(newest.size)) % self._pool_size
      self._keys[slots] = keys[newest]
      self._probabilities[slots] = probabilities[newest]
      self._priorities[slots] = np.maximum(
          priorities[newest], self._minimum_priority)
      self._num_draws += newest.size
      self._allowance = min(
          self._allowance + _EVICTIONS_PER_DRAW * newest.size, self._pool_size)

  def choose(self, count: int) -> np.ndarray:
    """Draws whom to evict from the pool, by the law above.

    Args:
      count: how many.

    Returns:
      `<uint64>[chosen]`, distinct keys, at most `count` and at most as many as
      the pool has that were not evicted.
    """
    with self._lock:
      num_draws = self._num_draws
      oldest = max(0, num_draws - self._pool_size)
      slots = np.arange(oldest, num_draws) % self._pool_size
      keys, probabilities = self._keys[slots], self._probabilities[slots]
      priorities = self._priorities[slots]
    if not keys.size:
      return keys
    weights = eviction_weights(keys, probabilities, priorities, self._exponent)
    # Draws of what is gone are in the pool, and in batches that are still on
    # their way to the learner: hence for twice the pool.
    while self._evicted and self._evicted[0].num_draws < (
        num_draws - 2 * self._pool_size):
      self._evicted.popleft()
    if self._evicted:
      gone = np.concatenate([evicted.keys for evicted in self._evicted])
      present = np.isin(weights.keys, gone, invert=True)
      weights = Weights(*(column[present] for column in weights))
    return weights.keys[
        draw_without_replacement(weights.log_weights, count, self._rng)]

  def remove_to_fit(self) -> None:
    """Evicts what the table holds beyond its capacity, as far as draws allow.

    Does nothing while that is less than 1 % (or 1 / 50 of the pool), or where
    the server does not answer: the next call finds more. To be called by one
    thread only.

    Raises:
      RuntimeError: the server refused. What it has not confirmed stays in the
        pool.
    """
    try:
      info = self._client.server_info(timeout=_SERVER_TIMEOUT_SECONDS)
    except (reverb.DeadlineExceededError, RuntimeError):
      return
    surplus = info[layout.TABLE].current_size - self._capacity
    count = min(surplus, int(self._allowance))
    if count < self._min_evictions:
      return
    keys = self.choose(count)
    for start in range(0, keys.size, _KEYS_PER_CALL):
      self._evict(keys[start:start + _KEYS_PER_CALL])

  def _evict(self, keys: np.ndarray) -> None:
    # Waits for a server that is away, and has no time limit in Reverb 0.7.
    self._client.mutate_priorities(layout.TABLE, deletes=keys.tolist())
    with self._lock:
      self._allowance -= keys.size
      self._evicted.append(_Evicted(self._num_draws, keys))
    self.statistics.evicted += keys.size
