"""The replay server's memory for each stored transition, in two layouts.

The same transitions of a random policy of a fixed seed are written to a new
server, in a process of its own: as apex_tf does, frame by frame, or with a
whole stack of frames in each row. The adder, the items with their short ones at
the ends of episodes, the chunks' length and the compression are the same; but
stacks share no frames.
"""

import functools
import os
import time
from typing import NamedTuple

from acme import specs
import dm_env
import numpy as np
import psutil
import reverb

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf.benchmarks import replay_worker
from apex_tf.benchmarks import servers
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import layout
from apex_tf.replay import tables

_NUM_ENVIRONMENTS = 8


class Writer:
  """Writes random play through the actors' own adder, in either layout."""

  def __init__(self, client: reverb.Client, config: config_lib.Config,
               whole_stacks: bool):
    """Connects to the server.

    Args:
      client: of the server.
      config: of an actor.
      whole_stacks: makes a single frame of each stack, so that the very same
        items share none.
    """
    self._whole_stacks = whole_stacks
    self._adder = adder_lib.NStepAdder(
        client, _NUM_ENVIRONMENTS,
        1 if whole_stacks else config.environment.num_frames_stacked,
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
    if self._whole_stacks:
      timestep = replay_worker.as_one_frame(timestep)
    if self._started:
      self._adder.add(action, timestep, self._extras)
    else:
      self._adder.add_first(timestep)
      self._started = True

  def finish(self) -> int:
    """Waits until all is stored; transitions written."""
    self._adder.reset()
    return self._adder.statistics.items_inserted


def make_spec(config: config_lib.Config,
              whole_stacks: bool) -> specs.EnvironmentSpec:
  """Of one environment, as the table of that layout sees it."""
  spec = environments.make_environment_spec(config.environment)
  return replay_worker.stack_spec(spec) if whole_stacks else spec


class Measured(NamedTuple):
  """What one layout takes for each transition.

  Attributes:
    memory_bytes: of the server.
    file_bytes: of a checkpoint.
    seconds: to write it.
    peak_bytes: of the server's memory, in addition, while it is written.
  """
  memory_bytes: float
  file_bytes: float
  seconds: float
  peak_bytes: float


def _peak_bytes(process: psutil.Process) -> int:
  """The most memory that a process has had."""
  with open(f'/proc/{process.pid}/status', encoding='ascii') as file:
    return next(1024 * int(line.split()[1]) for line in file
                if line.startswith('VmHWM:'))


def measure(config: config_lib.Config, num_items: int,
            whole_stacks: bool) -> Measured:
  """Fills a server with one layout, and has it write a checkpoint."""
  with servers.ReplayServer(functools.partial(
      tables.make_tables, config.replay,
      make_spec(config, whole_stacks))) as server:
    return _measure(config, num_items, whole_stacks, server)


def _measure(config: config_lib.Config, num_items: int, whole_stacks: bool,
             server: servers.Server) -> Measured:
  """As `measure`, with an empty server."""
  client, process = reverb.Client(server.address), server.process
  writer = Writer(client, config, whole_stacks)
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
  full = process.memory_info().rss
  start = time.monotonic()
  path = client.checkpoint()
  seconds = time.monotonic() - start
  size = sum(entry.stat().st_size for entry in os.scandir(path))
  peak = max(0, _peak_bytes(process) - full)
  environment.close()
  return Measured((full - before) / written, size / written,
                  seconds / written, peak / written)
