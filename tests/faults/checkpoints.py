"""Checkpoints as somebody sees them who may only look.

On purpose it shares no code with `apex_tf.checkpoint_directory`, which tidies
up when it looks.
"""

import hashlib
import json
import pathlib
import re
from typing import Any, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

_NAME = re.compile(r'\d{12}')
# `table_name`, `items` and `rate_limiter` of Reverb's message
# PriorityTableCheckpoint, and `insert_count` of the latter.
_NAME_FIELD = 1
_ITEMS_FIELD = 2
_RATE_LIMITER_FIELD = 3
_INSERT_COUNT_FIELD = 7
_TABLE = b'transitions'


class Checkpoint(NamedTuple):
  """One that is whole: the number in its name, and its directory."""
  number: int
  path: pathlib.Path


class Counts(NamedTuple):
  """What a run must not lose."""
  learner_steps: int = 0
  agent_steps: int = 0
  episodes: int = 0


class ReplayCounts(NamedTuple):
  """Transitions that replay holds, and those that were ever inserted."""
  items: int
  inserts: int


class Checkpoints:
  """A directory of checkpoints."""

  def __init__(self, path: pathlib.Path):
    self.path = path

  def entries(self) -> List[str]:
    """All names in it; none where it does not exist."""
    try:
      return sorted(path.name for path in self.path.iterdir())
    except FileNotFoundError:
      return []

  def whole(self) -> List[Checkpoint]:
    """Those whose files are as their manifests say, the newest first."""
    found = []
    for name in reversed(self.entries()):
      if _NAME.fullmatch(name) and _is_whole(self.path / name):
        found.append(Checkpoint(int(name), self.path / name))
    return found

  def newest(self) -> Optional[Checkpoint]:
    whole = self.whole()
    return whole[0] if whole else None


def _is_whole(path: pathlib.Path) -> bool:
  try:
    manifest = json.loads((path / 'manifest.json').read_text('utf-8'))['files']
    return {file.name for file in path.iterdir()} == (
        {*manifest, 'manifest.json'}) and all(
            hashlib.sha256((path / name).read_bytes()).hexdigest() == (
                described['sha256']) for name, described in manifest.items())
  except (OSError, ValueError):  # Just being removed, or damaged.
    return False


def read_counts(checkpoint: Checkpoint) -> Counts:
  """What a checkpoint of the learner holds.

  Raises:
    OSError: it is gone by now.
  """
  state = _read_json(checkpoint.path / 'state.json')['coordinator']
  reports = [report for reports in state['reports'].values()
             for report in reports]
  return Counts(state['learner_steps'],
                sum(report['agent_steps'] for report in reports),
                sum(report['episodes'] for report in reports))


def read_replay_counts(checkpoint: Checkpoint) -> ReplayCounts:
  """What Reverb has written into a checkpoint of replay.

  Raises:
    OSError: it is gone by now.
  """
  for table in _records(checkpoint.path / 'tables.tfrecord'):
    name, items, inserts = b'', 0, 0
    for field, value in _fields(table):
      if field == _NAME_FIELD:
        name = value
      elif field == _ITEMS_FIELD:
        items += 1
      elif field == _RATE_LIMITER_FIELD:
        inserts = dict(_fields(value)).get(_INSERT_COUNT_FIELD, 0)
    if name == _TABLE:
      return ReplayCounts(items, inserts)
  raise AssertionError(f'{checkpoint.path} has no table of transitions')


def _records(path: pathlib.Path) -> Iterator[bytes]:
  """Of a TFRecord file."""
  content, place = path.read_bytes(), 0
  while place < len(content):
    # Its length in 8 bytes, 4 of a checksum, the message, 4 of another.
    begin = place + 12
    end = begin + int.from_bytes(content[place:place + 8], 'little')
    yield content[begin:end]
    place = end + 4


def _fields(message: bytes) -> Iterator[Tuple[int, Any]]:
  """Number and value of each field of a protobuf message, in their order.

  A value is an integer, or the bytes of anything else. Whoever has the
  message's class has imported TensorFlow for it.
  """
  place = 0
  while place < len(message):
    key, place = _read_varint(message, place)
    value: Any
    if key & 7:
      length = {1: 8, 5: 4}.get(key & 7)
      if length is None:  # So many bytes.
        length, place = _read_varint(message, place)
      value = message[place:place + length]
      place += length
    else:
      value, place = _read_varint(message, place)
    yield key >> 3, value


def _read_varint(message: bytes, place: int) -> Tuple[int, int]:
  """A number of 7 bits a byte, the lowest first; the place behind it."""
  number, shift = 0, 0
  while True:
    byte = message[place]
    number |= (byte & 0x7f) << shift
    place, shift = place + 1, shift + 7
    if byte < 0x80:
      return number, place


def flip_bytes(checkpoint: Checkpoint, generator: np.random.Generator) -> str:
  """Damages one of its files; returns the file's name and what was done."""
  files = [path for path in sorted(checkpoint.path.rglob('*'))
           if path.is_file() and path.stat().st_size]
  path = files[generator.integers(len(files))]
  content = bytearray(path.read_bytes())
  places = generator.choice(len(content), min(8, len(content)), replace=False)
  for place in places:
    content[place] ^= 0xff
  path.write_bytes(content)
  return f'{len(places)} bytes of {path.name}'


def _read_json(path: pathlib.Path) -> Any:
  return json.loads(path.read_text('utf-8'))
