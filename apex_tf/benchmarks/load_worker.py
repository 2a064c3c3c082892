"""The paper's 360 actors and its learner's input, against one replay server.

  python -m apex_tf.benchmarks.load_worker --config=JSON --actors=360

Each actor has one environment of the recording and a writer of its own; when
its turn comes it writes a batch of transitions, as the paper's actors send
theirs, as fast as the server takes them. Tasks: `write` ("count" of
transitions), `sample` ("count" of transitions, in the learner's batches).
"""

import argparse

import reverb

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf.benchmarks import play
from apex_tf.benchmarks import servers
from apex_tf.benchmarks import workers

# Transitions that one actor sends at a time [paper, by its reimplementations].
_BATCH = 50


class Actors:
  """Many actors of one environment each, in one thread."""

  def __init__(self, builder: builder_lib.Builder, address: str,
               num_actors: int):
    """Connects all of them.

    Args:
      builder: of a configuration with one environment an actor.
      address: of the replay server.
      num_actors: adders, each with a client and a writer.
    """
    self._recording = play.Recording(builder)
    self._adders = [builder.make_adder(reverb.Client(address))
                    for _ in range(num_actors)]
    for adder in self._adders:
      self._recording.begin(adder)
    self._turn = 0
    self._steps = 0

  def write(self) -> float:
    """The next actor's batch; transitions."""
    adder = self._adders[self._turn % len(self._adders)]
    self._turn += 1
    before = adder.statistics.items_inserted
    for _ in range(_BATCH):
      self._recording.add(adder, self._steps)
      self._steps += 1
    return float(adder.statistics.items_inserted - before)

  def finish(self) -> None:
    """Waits until all is stored."""
    for adder in self._adders:
      adder.reset()


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('load_worker')
  parser.add_argument('--config', required=True)
  parser.add_argument('--actors', type=int, required=True)
  args = parser.parse_args()
  config = config_lib.Config.from_json(args.config)
  builder = builder_lib.Builder(config)
  with servers.ReplayServer(play.table_maker(builder)) as server:
    actors = Actors(builder, server.address, args.actors)
    written = 0.0
    while written < config.replay.min_size + args.actors * _BATCH:
      written += actors.write()
    batches = iter(builder.make_dataset(server.address))
    clocks = server.clocks()

    def next_batch() -> float:
      next(batches)
      return float(config.learner.batch_size)

    def sample(seconds: float) -> workers.Window:
      play.drain(config.learner, next_batch)
      return workers.count(next_batch, seconds, clocks)

    play.drain(config.learner, next_batch)  # From now on its buffers are full.
    workers.serve({
        'write': lambda seconds: workers.count(
            actors.write, seconds, clocks, actors.finish),
        'sample': sample,
    })


if __name__ == '__main__':
  main()
