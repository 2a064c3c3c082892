"""Measures the replay server's memory for each stored transition.

  python -m launch.replay_memory --game=pong --items=20000

Plays a random policy of a fixed seed twice and writes the same transitions to
a new server, in a process of its own, each time: first as apex_tf does, frame
by frame, then with the full stack of frames at each step. Prints by how much
each server's resident memory grew for each transition, and the ratio.
"""

import multiprocessing
import multiprocessing.connection
from typing import Any, Callable, Dict, Sequence

from absl import flags
import dm_env
import numpy as np
import psutil
import reverb

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import layout
from apex_tf.replay import tables
from configs import atari
from launch import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string('game', 'pong', 'Atari game in snake_case.')
flags.DEFINE_integer('items', 20_000, 'Transitions to write.',
                     lower_bound=1000)

_NUM_ENVIRONMENTS = 8


class FullStackWriter:
  """Writes whole observations, the layout of Acme's own adders."""

  def __init__(self, client: reverb.Client, config: config_lib.Config):
    self._n_step = config.agent.n_step
    self._writers = [
        client.trajectory_writer(
            num_keep_alive_refs=config.replay.chunk_length)
        for _ in range(_NUM_ENVIRONMENTS)
    ]
    for writer in self._writers:
      for column in ('observation', layout.STEP):
        writer.configure((column,),
                         num_keep_alive_refs=config.replay.chunk_length,
                         max_chunk_length=config.replay.chunk_length)
    self._steps = np.zeros(_NUM_ENVIRONMENTS, np.int64)
    self.num_items = 0

  def add(self, action: np.ndarray, timestep: dm_env.TimeStep) -> None:
    """Writes a step of every environment."""
    self._steps = np.where(timestep.step_type == dm_env.StepType.FIRST, 0,
                           self._steps + 1)
    for index, writer in enumerate(self._writers):
      writer.append({
          'observation': timestep.observation[index],
          layout.STEP: layout.encode_step(
              layout.Step(timestep.reward[index], timestep.discount[index], 0,
                          action[index])),
      })
      if self._steps[index] >= self._n_step:
        history = writer.history
        writer.create_item(
            layout.TABLE, 1.0, {
                layout.OBSERVATION_TM1:
                    history['observation'][-1 - self._n_step],
                layout.OBSERVATION_T: history['observation'][-1],
                layout.STEP: history[layout.STEP][-1],
            })
        self.num_items += 1

  def finish(self) -> int:
    """Waits until all is stored; transitions written."""
    for writer in self._writers:
      writer.flush()
    return self.num_items


class FrameWriter:
  """Writes through the actors' own adder."""

  def __init__(self, client: reverb.Client, config: config_lib.Config):
    self._adder = adder_lib.NStepAdder(
        client, _NUM_ENVIRONMENTS, config.environment.num_frames_stacked,
        config.agent.n_step, config.agent.discount,
        config.environment.reward_clip, config.replay,
        config.actor.flush_period)
    self._started = False
    self._extras = adder_lib.PolicyExtras(
        action_value=np.ones(_NUM_ENVIRONMENTS, np.float32),
        bootstrap_value=np.zeros(_NUM_ENVIRONMENTS, np.float32),
        learner_step=0)

  def add(self, action: np.ndarray, timestep: dm_env.TimeStep) -> None:
    """Writes a step of every environment."""
    if self._started:
      self._adder.add(action, timestep, self._extras)
    else:
      self._adder.add_first(timestep)
      self._started = True

  def finish(self) -> int:
    """Waits until all is stored; transitions written."""
    self._adder.reset()
    return self._adder.statistics.items_inserted


def _serve(connection: multiprocessing.connection.Connection,
           config: config_lib.Config, with_signature: bool) -> None:
  """The server's process: sends its port, ends when it is told to."""
  table = tables.make_tables(
      config.replay, environments.make_environment_spec(config.environment))[0]
  if not with_signature:
    table = reverb.Table(
        layout.TABLE, reverb.selectors.Prioritized(0.6),
        reverb.selectors.Fifo(), config.replay.capacity,
        reverb.rate_limiters.MinSize(1))
  server = reverb.Server([table], port=None)
  connection.send(server.port)
  connection.recv()
  server.stop()


def measure(config: config_lib.Config, num_items: int,
            make_writer: Callable[[reverb.Client, config_lib.Config], Any],
            with_signature: bool) -> float:
  """Bytes of resident server memory for each transition of one layout."""
  context = multiprocessing.get_context('spawn')
  connection, theirs = context.Pipe()
  server = context.Process(
      target=_serve, args=(theirs, config, with_signature), daemon=True)
  server.start()
  client = reverb.Client(f'localhost:{connection.recv()}')
  process = psutil.Process(server.pid)
  writer = make_writer(client, config)
  environment = environments.make_environment(
      config.environment, _NUM_ENVIRONMENTS, seed=1)
  rng = np.random.default_rng(1)
  timestep = environment.reset()
  before = process.memory_info().rss
  action = np.zeros(_NUM_ENVIRONMENTS, np.int32)
  writer.add(action, timestep)
  for _ in range(num_items // _NUM_ENVIRONMENTS):
    action = rng.integers(environment.action_spec().num_values,
                          size=_NUM_ENVIRONMENTS, dtype=np.int32)
    writer.add(action, environment.step(action))
  written = writer.finish()
  stored = client.server_info()[layout.TABLE].current_size
  if stored != written:
    raise RuntimeError(f'{written} transitions written, {stored} stored')
  grown = process.memory_info().rss - before
  environment.close()
  connection.send(None)
  server.join()
  return grown / written


def compare(config: config_lib.Config, num_items: int) -> Dict[str, float]:
  """Bytes of each layout, and the ratio of the first to the second."""
  frames = measure(config, num_items, FrameWriter, with_signature=True)
  stacks = measure(config, num_items, FullStackWriter, with_signature=False)
  return {'frames': frames, 'stacks': stacks, 'ratio': frames / stacks}


def main(argv: Sequence[str]) -> None:
  del argv
  config = atari.get_config()
  config.environment.game = FLAGS.game
  try:
    environments.make_environment_spec(config.environment)
  except ValueError as error:
    command_line.refuse(str(error))
  result = compare(config, FLAGS.items)
  print(f'{FLAGS.game}, {FLAGS.items} transitions, chunks of '
        f'{config.replay.chunk_length} steps')
  print(f'single frames: {result["frames"]:6.0f} bytes of server memory each')
  print(f'full stacks:   {result["stacks"]:6.0f} bytes')
  print(f'ratio:         {result["ratio"]:6.2f}')


if __name__ == '__main__':
  command_line.run(main)
