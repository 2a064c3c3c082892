"""What a checkpoint of replay needs and holds, for who does not load Reverb."""

import json
import math
import os
import shutil
from typing import NamedTuple, Optional, Sequence

from acme import specs

from apex_tf import checkpoint_directory
from apex_tf import config as config_lib
from apex_tf import files
from apex_tf import formatting as fmt
from apex_tf import settings
from apex_tf.replay import footprint

# Without replay a run is slower for minutes, and not lost: one is enough.
NUM_KEPT = 1

# File of a checkpoint.
_STATE = 'replay.json'

# Reverb 0.7 writes all items of a table as one protobuf message, which may not
# be longer.
_MAX_TABLE_BYTES = 2**31 - 1
# Of an item in that message, at most: its key, times and priority; and each
# reference to a chunk.
_ITEM_BYTES = 64
_REFERENCE_BYTES = 18
# More than was seen (`launch.replay_memory`): for the items, while inserts and
# samples wait; and for all bytes, to write them, to read them again for their
# digest, and to bring them to the disk.
_SECONDS_PER_ITEM = 20e-6
_BYTES_PER_SECOND = 100e6


class Projection(NamedTuple):
  """What a checkpoint of a full replay needs.

  Attributes:
    table_bytes: of the message with all items of one shard.
    bytes: of all files.
    waiting_seconds: for which inserts and samples wait.
    seconds: until it is done.
  """
  table_bytes: float
  bytes: float
  waiting_seconds: float
  seconds: float


def project(config: config_lib.Config,
            spec: specs.EnvironmentSpec) -> Projection:
  """What the checkpoint of a configuration's full replay will need.

  Args:
    config: of the run.
    spec: of one environment.
  """
  full = footprint.project(config.replay, spec)
  shard = math.ceil(full.transitions / config.replay.shards)
  total = full.transitions * (item_bytes(config) + full.data_bytes_each)
  waiting = shard * _SECONDS_PER_ITEM
  return Projection(float(shard * item_bytes(config)), total, waiting,
                    # All shards may have one disk.
                    waiting + total / _BYTES_PER_SECOND)


def item_bytes(config: config_lib.Config) -> int:
  """Of one item in the message with all items, at most."""
  # A stack of frames that begins in the last row of a chunk reaches farthest.
  chunks = 1 + math.ceil((config.environment.num_frames_stacked - 1) /
                         config.replay.chunk_length)
  # Of the two observations and the numbers.
  return _ITEM_BYTES + _REFERENCE_BYTES * (2 * chunks + 1)


def check(config: config_lib.Config, spec: specs.EnvironmentSpec,
          directories: Sequence[str],
          old_is_replaced: bool) -> Optional[Projection]:
  """Refuses checkpoints of replay that cannot be written.

  Args:
    config: of the run.
    spec: of one environment.
    directories: of the checkpoints of each shard, existing or not, of one
      disk.
    old_is_replaced: whether those that are there make room for others.

  Returns:
    What each will need, or None where the run is to have none.

  Raises:
    ValueError: names `replay.checkpoint_minutes` or `replay.capacity`, what
      they need and what is allowed.
  """
  replay = config.replay
  if not replay.checkpoint_minutes:
    return None
  projection = project(config, spec)
  if projection.table_bytes > _MAX_TABLE_BYTES:
    most = int(replay.capacity * _MAX_TABLE_BYTES / projection.table_bytes)
    raise settings.error(
        'replay.capacity', replay.capacity,
        f'at most {most:,} with replay.checkpoint_minutes '
        f'{replay.checkpoint_minutes:g}: Reverb writes all items as one '
        f'message of at most {fmt.size(_MAX_TABLE_BYTES)}, and these are '
        f'{fmt.size(projection.table_bytes)}')
  # The one before is removed when the next is there.
  needed = (NUM_KEPT + 1) * projection.bytes
  try:
    free = shutil.disk_usage(files.nearest_existing(directories[0])).free
    room = free + (sum(map(_bytes_in, directories)) if old_is_replaced else 0)
  except OSError as error:
    raise settings.error(
        'replay.checkpoint_minutes', replay.checkpoint_minutes,
        f'0 (none) here: the room for checkpoints is not known ({error})'
    ) from error
  if needed > room:
    raise settings.error(
        'replay.checkpoint_minutes', replay.checkpoint_minutes,
        f'0 (none) here: with a full replay, two checkpoints of '
        f'{fmt.size(projection.bytes)} each have to fit, and '
        f'{fmt.size(free)} of the disk are free')
  least = 2 * projection.waiting_seconds / 60
  if replay.checkpoint_minutes < least:
    raise settings.error(
        'replay.checkpoint_minutes', replay.checkpoint_minutes,
        f'0 (none), or at least {_rounded_up(least):g}: inserts and samples '
        f'wait {_seconds(projection.waiting_seconds)} for each checkpoint of a '
        'full replay')
  return projection


def _rounded_up(number: float) -> float:
  """To two digits."""
  unit = 10.0 ** (math.floor(math.log10(number)) - 1)
  return math.ceil(number / unit) * unit


def _seconds(number: float) -> str:
  return (fmt.duration(number) if number >= 10 else
          f'{number:.1f} s' if number >= 0.1 else 'less than 0.1 s')


def describe(config: config_lib.Config, projection: Projection) -> str:
  """One line for the terminal: how much, how long, how often.

  Args:
    config: of the run, with checkpoints of replay.
    projection: that `check` has returned.
  """
  return (f'Replay checkpoints: up to {fmt.size(projection.bytes)}, in about '
          f'{_seconds(projection.seconds)}, of which inserts and samples '
          f'wait {_seconds(projection.waiting_seconds)}; every '
          f'{fmt.duration(60 * config.replay.checkpoint_minutes)} and at the '
          'end')


def write_state(path: str, num_items: int) -> None:
  """Writes down, beside a checkpoint, how many transitions are in it.

  Args:
    path: of the checkpoint's directory.
    num_items: when it began, which may be a few less.
  """
  with open(os.path.join(path, _STATE), 'w', encoding='utf-8') as file:
    json.dump({'items': num_items}, file)


def read_state(path: str) -> int:
  """What `write_state` wrote.

  Raises:
    OSError: it cannot be read.
    ValueError: it is of another version.
  """
  with open(os.path.join(path, _STATE), encoding='utf-8') as file:
    state = json.load(file)
  if not isinstance(state, dict) or not isinstance(state.get('items'), int):
    raise ValueError(f'{path} is of another version')
  return int(state['items'])


def _bytes_in(directory: str) -> int:
  """Of the checkpoints that are there."""
  found = checkpoint_directory.CheckpointDirectory(directory).paths()
  return sum(entry.stat().st_size
             for path in found for entry in os.scandir(path))
