"""A replay server of a given size, and what its items cost.

  python -m apex_tf.benchmarks.replay_worker --config=JSON --layout=frames

The server is in another process and has as many transitions of Pong as its
capacity before anything is measured, so that each insert removes one. Layouts:

  frames: as apex_tf writes and samples them.
  stacks: the same transitions by the same adder, but each row has a whole
    stack, so that nothing is shared.
  raw: Reverb's own limit: one row of as many bytes as a transition brings
    along is one item, without an adder, and is sampled as it is.

Tasks: `insert` (transitions), `sample` (transitions, in the learner's
batches), `update` (priorities, in the learner's batches).
"""

import argparse
import functools
from typing import Any, Dict, Iterator, List

from acme import specs
import dm_env
import numpy as np
import reverb
import tensorflow as tf

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf.benchmarks import play
from apex_tf.benchmarks import servers
from apex_tf.benchmarks import workers
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import layout as layout_lib
from apex_tf.replay import tables as tables_lib

FRAMES, STACKS, RAW = LAYOUTS = ('frames', 'stacks', 'raw')

_ROW = 'row'
_NUMBER_BYTES = 16


def stack_spec(spec: specs.EnvironmentSpec) -> specs.EnvironmentSpec:
  """Of the same environment, with its stack as a single frame."""
  stack = spec.observations
  return spec._replace(
      observations=specs.Array((1, *stack.shape), stack.dtype, stack.name))


def as_one_frame(timestep: dm_env.TimeStep) -> dm_env.TimeStep:
  """Of a batch of environments, with each stack as a single frame."""
  return timestep._replace(observation=timestep.observation[:, np.newaxis])


def make_raw_tables(config: config_lib.ReplayConfig,
                    row_bytes: int) -> List[reverb.Table]:
  """As `tables.make_tables`, for items of one row of bytes."""
  return [
      reverb.Table(
          layout_lib.TABLE,
          sampler=reverb.selectors.Prioritized(config.priority_exponent),
          remover=reverb.selectors.Fifo(),
          max_size=config.capacity,
          rate_limiter=reverb.rate_limiters.MinSize(config.min_size),
          signature={_ROW: tf.TensorSpec([row_bytes], tf.uint8)})
  ]


class Transitions:
  """Writes and samples transitions in the layout `frames` or `stacks`."""

  def __init__(self, builder: builder_lib.Builder, layout: str):
    """Records play; starts nothing."""
    self._builder = builder
    self._whole_stacks = layout == STACKS
    self._spec = stack_spec(builder.spec) if self._whole_stacks else (
        builder.spec)
    self._recording = play.Recording(
        builder, transform=as_one_frame if self._whole_stacks else None)
    self.make_tables = functools.partial(
        tables_lib.make_tables, builder.config.replay, self._spec,
        limit_ratio=False)
    self._steps = 0

  def connect(self, address: str) -> None:
    """Makes the writers."""
    config = self._builder.config
    self._adder = adder_lib.NStepAdder(
        reverb.Client(address), config.actor.environments_per_actor,
        1 if self._whole_stacks else config.environment.num_frames_stacked,
        config.agent.n_step, config.agent.discount,
        config.environment.reward_clip, config.replay,
        config.actor.flush_period)
    self._recording.begin(self._adder)

  def insert(self) -> float:
    """One step of every environment; transitions."""
    before = self._adder.statistics.items_inserted
    self._recording.add(self._adder, self._steps)
    self._steps += 1
    return float(self._adder.statistics.items_inserted - before)

  def finish(self) -> None:
    """Waits until all is stored."""
    self._adder.reset()

  def make_batches(self, address: str) -> Iterator[Any]:
    """The learner's batches."""
    config = self._builder.config
    return iter(dataset_lib.make_dataset(
        address, config.learner, config.replay.importance_exponent,
        self._spec.actions))


class Raw:
  """Writes and samples items of one row of bytes each."""

  def __init__(self, builder: builder_lib.Builder):
    """Records play; starts nothing."""
    self._config = builder.config
    # The newest frame, and room for the numbers of a transition.
    self._rows = [
        [np.resize(frame, frame.nbytes + _NUMBER_BYTES) for frame in frames]
        for frames in play.Recording(builder).newest_frames()]
    self.make_tables = functools.partial(
        make_raw_tables, self._config.replay, self._rows[0][0].nbytes)
    self._steps = 0

  def connect(self, address: str) -> None:
    """Makes the writers."""
    length = self._config.replay.chunk_length
    client = reverb.Client(address)
    self._writers = []
    for _ in self._rows[0]:
      writer = client.trajectory_writer(num_keep_alive_refs=length)
      writer.configure((_ROW,), num_keep_alive_refs=length,
                       max_chunk_length=length)
      self._writers.append(writer)

  def insert(self) -> float:
    """One row of every writer; their number."""
    rows = self._rows[self._steps % len(self._rows)]
    period = self._config.actor.flush_period
    self._steps += 1
    for index, (writer, row) in enumerate(zip(self._writers, rows)):
      writer.append({_ROW: row})
      writer.create_item(layout_lib.TABLE, 1.0 + 0.01 * (self._steps % 100),
                         {_ROW: writer.history[_ROW][-1]})
      if (self._steps + index) % period == 0:
        writer.flush(self._config.replay.max_pending_items)
    return float(len(rows))

  def finish(self) -> None:
    """Waits until all is stored."""
    for writer in self._writers:
      writer.flush()

  def make_batches(self, address: str) -> Iterator[Any]:
    """Batches of the learner's size, from as many samplers."""
    learner = self._config.learner
    return iter(
        reverb.TrajectoryDataset.from_table_signature(
            address, layout_lib.TABLE,
            max_in_flight_samples_per_worker=2 * learner.batch_size,
            num_workers_per_iterator=learner.num_samplers)
        .batch(learner.batch_size, drop_remainder=True)
        .prefetch(learner.prefetch_batches))


class Sampler:
  """Takes batches, and writes priorities of the newest one back."""

  def __init__(self, builder: builder_lib.Builder, batches: Iterator[Any],
               client: reverb.Client):
    """Args: what builds the parts, an endless iterator, and a client."""
    self._config = builder.config.learner
    self._batches = batches
    self._writer = builder.make_priority_writer(client)
    self._batch: Any = None
    self._updates = 0

  def drain(self) -> None:
    """Takes what was fetched while nobody asked."""
    play.drain(self._config, self.sample)

  def sample(self) -> float:
    """One batch; its size."""
    self._batch = next(self._batches)
    return float(self._config.batch_size)

  def update(self) -> float:
    """Priorities for the newest batch; their number."""
    if self._batch is None:
      self.sample()
    keys = self._batch.key.numpy()
    self._updates += 1
    self._writer.update(
        keys, np.full(len(keys), 1.0 + 0.01 * (self._updates % 100),
                      np.float32), self._updates)
    self._writer.flush()
    return float(len(keys))


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('replay_worker')
  parser.add_argument('--config', required=True)
  parser.add_argument('--layout', choices=LAYOUTS, required=True)
  args = parser.parse_args()
  config = config_lib.Config.from_json(args.config)
  builder = builder_lib.Builder(config)
  items = (Raw(builder) if args.layout == RAW
           else Transitions(builder, args.layout))
  with servers.ReplayServer(items.make_tables) as server:
    items.connect(server.address)
    empty = server.process.memory_info().rss
    client = reverb.Client(server.address)
    inserted = 0.0
    while inserted < config.replay.capacity:
      inserted += items.insert()
    items.finish()
    stored = client.server_info()[layout_lib.TABLE].current_size
    full = server.process.memory_info().rss
    sampler = Sampler(builder, items.make_batches(server.address), client)
    clocks = server.clocks()

    def sample(seconds: float) -> workers.Window:
      sampler.drain()
      return workers.count(sampler.sample, seconds, clocks)

    tasks: Dict[str, Any] = {
        'insert': lambda seconds: workers.count(
            items.insert, seconds, clocks, items.finish),
        'sample': sample,
    }
    if args.layout == FRAMES:
      tasks['update'] = (
          lambda seconds: workers.count(sampler.update, seconds, clocks))
    workers.serve(tasks, {
        'stored': stored,
        'server_bytes': (full - empty) / stored,
    })


if __name__ == '__main__':
  main()
