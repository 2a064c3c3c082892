"""Sampled batches for the learner.

Buffers between the table and the learner, each small and named:

  in flight   `2 * batch_size` samples requested by each sampler at a time.
  prefetch    `learner.prefetch_batches` finished batches.
  fetched     one batch in `BatchFetcher`, so that waiting can be interrupted.

Of several shards, all that is of each, with its part of a batch; see `shards`.

A priority is stale by as long as its sample waits in them.
"""

import queue
import threading
from typing import Callable, Iterator, NamedTuple, Optional, TypeVar

from absl import logging
from acme import specs
import reverb
import tensorflow as tf

from apex_tf import config as config_lib
from apex_tf import losses
from apex_tf import types
from apex_tf.replay import layout

# How often an operation's first use is tried again.
_FIRST_USES = 10

_T = TypeVar('_T')


class Batch(NamedTuple):
  """One batch of samples, as tensors.

  Attributes:
    transition: with observations `<dtype>[batch, stack, *frame]`.
    importance_weight: `<float32>[batch]`, corrects for the prioritized
      sampling; see `losses.importance_weights`.
    key: `<uint64>[batch]`, of the items.
    probability: `<float64>[batch]`, with which its shard gave each.
    learner_step: `<int64>[batch]`, version of the policy that acted.
    shard: `<int32>[batch]`, of replay, that each comes from.
  """
  transition: types.Transition
  importance_weight: tf.Tensor
  key: tf.Tensor
  probability: tf.Tensor
  learner_step: tf.Tensor
  shard: tf.Tensor


def make_dataset(address: str, config: config_lib.LearnerConfig,
                 importance_exponent: float, action_spec: specs.Array,
                 shard: int = 0, device: str = '') -> tf.data.Dataset:
  """Batches sampled by priority, without end.

  Args:
    address: of the replay server, `host:port`; waits for it to answer.
    config: batch size, samplers and prefetch.
    importance_exponent: beta of the importance weights.
    action_spec: of one environment.
    shard: that the server is.
    device: to which batches are copied ahead of the step, such as "GPU:0"; ""
      leaves them in the host's memory.

  Returns:
    A dataset of `Batch`.
  """
  # Otherwise AutoGraph would leave files in /tmp.
  @tf.autograph.experimental.do_not_convert
  def make_batch(sample: reverb.ReplaySample) -> Batch:
    item = sample.data
    step = layout.decode_steps(item[layout.STEP], action_spec)
    return Batch(
        transition=types.Transition(
            observation_tm1=item[layout.OBSERVATION_TM1],
            action_tm1=step.action,
            n_step_return=step.n_step_return,
            bootstrap_discount=step.bootstrap_discount,
            observation_t=item[layout.OBSERVATION_T]),
        importance_weight=losses.importance_weights(
            sample.info.probability, sample.info.table_size,
            importance_exponent),
        key=sample.info.key,
        probability=sample.info.probability,
        learner_step=step.learner_step,
        shard=tf.fill(tf.shape(sample.info.key), shard))

  samples = reverb.TrajectoryDataset.from_table_signature(
      server_address=address,
      table=layout.TABLE,
      max_in_flight_samples_per_worker=2 * config.batch_size,
      num_workers_per_iterator=config.num_samplers)
  options = tf.data.Options()
  options.deterministic = True
  batches = (samples
             .batch(config.batch_size, drop_remainder=True)
             .map(make_batch)
             .with_options(options))
  if not device:
    return batches.prefetch(config.prefetch_batches)
  return batches.apply(tf.data.experimental.prefetch_to_device(
      device, config.prefetch_batches))


class BatchFetcher(Iterator[Batch]):
  """Takes batches from a dataset in a thread, so that a wait has an end.

  A dataset's own `next` blocks in C++ for as long as replay holds it back, and
  Python's signal handlers with it.
  """

  def __init__(self, make_dataset_fn: Callable[[], tf.data.Dataset],
               stop: threading.Event):
    """Starts to fetch.

    Args:
      make_dataset_fn: makes a dataset of `Batch`; called in the thread, since
        it waits for the replay server.
      stop: ends `next` with StopIteration.
    """
    self._stop = stop
    self._queue: queue.Queue[Optional[Batch]] = queue.Queue(maxsize=1)
    self._error: Optional[Exception] = None
    self._ended = False
    self._thread = threading.Thread(
        target=self._fetch, args=(make_dataset_fn,), name='batch_fetcher',
        daemon=True)
    self._thread.start()

  def _fetch(self, make_dataset_fn: Callable[[], tf.data.Dataset]) -> None:
    try:
      dataset = _first_use(make_dataset_fn)
      batches = _first_use(lambda: iter(dataset))
      while True:
        batch = _first_use(lambda: next(batches, None))
        if batch is None or not self._put(batch):
          break
    except Exception as error:  # pylint: disable=broad-except
      self._error = error  # Raised by `next`, in the learner's thread.
    self._put(None)

  def _put(self, batch: Optional[Batch]) -> bool:
    while not self._stop.is_set():
      try:
        self._queue.put(batch, timeout=0.5)
        return True
      except queue.Full:
        continue
    return False

  def __next__(self) -> Batch:
    """The next batch.

    Raises:
      StopIteration: once the stop event is set, or where the dataset ends.
      Exception: that making the dataset or reading it ended with.
    """
    while True:
      batch = self.take(0.2)
      if batch is not None:
        return batch

  def take(self, seconds: float) -> Optional[Batch]:
    """The next batch, or None where none comes in time.

    Args:
      seconds: to wait at most; 0 looks whether there is one.

    Raises:
      StopIteration: as `__next__`.
      Exception: as `__next__`.
    """
    if not self._stop.is_set() and not self._ended:
      try:
        batch = self._queue.get(block=seconds > 0, timeout=seconds)
      except queue.Empty:
        return None
      if batch is not None:
        return batch
      self._ended = True
    if self._error is not None and not self._stop.is_set():
      raise self._error
    raise StopIteration


def _first_use(call: Callable[[], _T]) -> _T:
  """What a call returns that may use an operation for the first time.

  TensorFlow 2.8 sometimes fails where two threads do so at once, as the
  fetchers of two shards may: before the operation has begun, and not again.
  """
  for _ in range(_FIRST_USES):
    try:
      return call()
    except tf.errors.InternalError as error:
      if 'is in the cache but not in the library' not in error.message:
        raise
      logging.warning('Two threads used an operation for the first time at '
                      'once; again: %s', error.message)
  return call()
