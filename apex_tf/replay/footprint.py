"""How much memory a full replay will need, before there is one.

TensorFlow and Reverb are not imported for it.
"""

import math
import os
from typing import List, NamedTuple

from acme import specs
import numpy as np
import psutil

from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf import settings

# What a server of Reverb 0.7.3 grows by, in bytes for each transition, besides
# the numbers in it: the item, its references, its priority and its share of
# two chunks. With 20,000 transitions, CartPole's take 1314 bytes in all and
# those of MinAtar Breakout 1353.
_BOOKKEEPING = 1280
# Share of a picture that is left of it once a chunk is compressed. Random play
# of 4000 transitions (`launch.replay_memory`) leaves 0.06 of Pong and Breakout,
# 0.12 of Seaquest and 0.16 of Ms Pacman: the whole estimate is within 25 % of
# each. Other numbers are taken to be incompressible.
_PICTURE_SHARE = 0.11
# What a server needs in addition while it writes a checkpoint, since Reverb
# puts the whole table together in memory first (`launch.replay_memory`).
_SAVING = 1050
# Columns of a transition that are not its action, see `layout`.
_NUM_SCALARS = 3


class Footprint(NamedTuple):
  """What a full replay needs.

  Attributes:
    transitions: that it holds at most.
    bytes_each: for each of them, with its share of everything.
    data_bytes_each: of them what its numbers and its own frame take.
    saving_bytes_each: more for each of them, while they are saved.
  """
  transitions: int
  bytes_each: float
  data_bytes_each: float
  saving_bytes_each: float = 0.0

  @property
  def bytes(self) -> float:
    return self.transitions * (self.bytes_each + self.saving_bytes_each)

  def __str__(self) -> str:
    """As in "about 4.2 GB when full (2,000,000 transitions of 2.1 kB)"."""
    saving = (f', and {self.saving_bytes_each / 1e3:.1f} kB while they are '
              'saved' if self.saving_bytes_each else '')
    return (f'about {fmt.size(self.bytes)} when full ({self.transitions:,} '
            f'transitions of {self.bytes_each / 1e3:.1f} kB{saving})')


def project(config: config_lib.ReplayConfig,
            spec: specs.EnvironmentSpec) -> Footprint:
  """What the replay server of a configuration will need when it is full.

  Each frame is stored once, however many stacks it is in.

  Args:
    config: of replay.
    spec: of one environment, observations `<dtype>[stack, *frame]`.
  """
  frame = spec.observations
  frame_bytes = float(
      np.prod(frame.shape[1:], dtype=np.int64) * frame.dtype.itemsize)
  if frame.dtype in (np.uint8, np.bool_):
    frame_bytes *= _PICTURE_SHARE
  action_size = int(np.prod(spec.actions.shape, dtype=np.int64))
  step_bytes = np.dtype(np.float32).itemsize * (_NUM_SCALARS + action_size)
  slack = 1.02 if config.eviction == 'prioritized' else 1.0
  data_bytes = frame_bytes + step_bytes
  return Footprint(math.ceil(slack * config.capacity),
                   _BOOKKEEPING + data_bytes, data_bytes,
                   _SAVING if config.checkpoint_minutes else 0.0)


def check(config: config_lib.Config, spec: specs.EnvironmentSpec) -> Footprint:
  """Refuses a replay that this machine has no memory for.

  Args:
    config: of the run.
    spec: as in `project`.

  Returns:
    What it will need.

  Raises:
    ValueError: names `replay.capacity`, what it needs and what is allowed.
  """
  footprint = project(config.replay, spec)
  memory, share = memory_bytes(), config.run.max_memory_share
  if footprint.bytes > share * memory:
    most = config.replay.capacity * share * memory / footprint.bytes
    raise settings.error(
        'replay.capacity', config.replay.capacity,
        f'at most {int(most):,} here: replay will need {footprint}, and '
        f'run.max_memory_share {share:g} of this machine\'s '
        f'{fmt.size(memory)} is {fmt.size(share * memory)}')
  return footprint


def memory_bytes(root: str = '/') -> int:
  """Memory of this machine, or of this process's control group if less.

  Args:
    root: where the machine's files begin.
  """
  total = psutil.virtual_memory().total
  for path in _limit_files(root):
    try:
      with open(path, encoding='utf-8') as file:
        total = min(total, int(file.read()))
    except (OSError, ValueError):  # Not this version, or "max".
      continue
  return total


def _limit_files(root: str) -> List[str]:
  """Where limits of this process's control groups may stand."""
  try:
    with open(os.path.join(root, 'proc/self/cgroup'), encoding='utf-8') as file:
      lines = file.read().splitlines()
  except OSError:
    return []
  mounted, files = os.path.join(root, 'sys/fs/cgroup'), []
  for line in lines:
    _, controllers, group = line.split(':', 2)
    if controllers == '':  # Version 2.
      top, name = mounted, 'memory.max'
    elif 'memory' in controllers.split(','):
      top, name = os.path.join(mounted, 'memory'), 'memory.limit_in_bytes'
    else:
      continue
    # A group's limit holds for all below it; in a container, what is mounted
    # begins at the container's own.
    parts = group.strip('/').split('/')
    files += [os.path.join(top, *parts[:depth], name)
              for depth in range(len(parts) + 1)]
  return files
