"""A directory of checkpoints that appear whole, or not at all.

    <directory>/<step>/
      manifest.json  size and SHA-256 of the other files, written last
      ...            whatever they are

A checkpoint is written beside its place, brought to the disk and renamed. The
order of checkpoints is that of the steps in their names; no clock is asked.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set

from absl import logging

_NAME = re.compile(r'\d{12}')
# Beginnings of the names of directories that are no checkpoints.
_UNFINISHED = '.unfinished.'
_REPLACED = '.replaced.'

_MANIFEST = 'manifest.json'


class Found(NamedTuple):
  """A checkpoint that is whole.

  Attributes:
    step: in its name.
    path: of its directory.
  """
  step: int
  path: str


class CheckpointDirectory:
  """Writes checkpoints, keeps the newest, and finds one that is whole.

  One process at a time may write.
  """

  def __init__(self, path: str, keep: int = 3):
    """Names a directory, whether it exists or not.

    Args:
      path: of the checkpoints, and of nothing else.
      keep: checkpoints that remain; at least 1.
    """
    self.path = path
    self._keep = keep
    # Names that `find_newest` has found damaged.
    self._damaged: Set[str] = set()

  def path_of(self, step: int) -> str:
    """Of the checkpoint of one step, whether it exists or not."""
    return os.path.join(self.path, f'{step:012d}')

  def paths(self) -> List[str]:
    """Of the checkpoints, the damaged too, in the order of their steps."""
    if not os.path.isdir(self.path):
      return []
    return [os.path.join(self.path, name) for name in self._names()]

  def next_step(self) -> int:
    """One more than that of any checkpoint; 1 if there is none."""
    return max((int(os.path.basename(path)) for path in self.paths()),
               default=0) + 1

  def save(self, step: int, write: Callable[[str], None]) -> None:
    """Makes a checkpoint, in the place of one of the same step.

    Args:
      step: for its name.
      write: writes its files into the directory that it is given.

    Raises:
      OSError: it is not saved; the checkpoints are as before.
      Exception: whatever `write` raised; likewise.
    """
    os.makedirs(self.path, mode=0o700, exist_ok=True)
    self._try_to(self._remove_leftovers)
    temporary = tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.path)
    try:
      write(temporary)
      manifest = {'files': _describe_files(temporary)}
      with open(os.path.join(temporary, _MANIFEST), 'w',
                encoding='utf-8') as file:
        json.dump(manifest, file, indent=1)
      for name in os.listdir(temporary):
        _sync(os.path.join(temporary, name))
      _sync(temporary)
      self._put_into_place(temporary, self.path_of(step))
    except BaseException:
      self._try_to(self._remove_leftovers)
      raise
    self._try_to(lambda: self._remove_old(os.path.basename(
        self.path_of(step))))

  def find_newest(self) -> Optional[Found]:
    """The newest checkpoint that is whole; logs those that are not.

    Raises:
      OSError: the directory cannot be read.
    """
    if not os.path.isdir(self.path):
      return None
    self._try_to(self._remove_leftovers)
    for name in reversed(self._names()):
      path = os.path.join(self.path, name)
      try:
        _verify(path)
        return Found(int(name), path)
      except (OSError, ValueError) as error:
        logging.error('The checkpoint %s is damaged and passed over: %s', path,
                      error)
        self._damaged.add(name)
    return None

  def _put_into_place(self, temporary: str, path: str) -> None:
    if os.path.lexists(path):
      # A directory cannot be renamed over one. Should this process end here,
      # `_remove_leftovers` puts the old one back.
      directory, name = os.path.split(path)
      os.rename(path, os.path.join(directory, _REPLACED + name))
    os.rename(temporary, path)
    _sync(self.path)
    self._damaged.discard(os.path.basename(path))

  def _names(self) -> List[str]:
    """Of the checkpoints, in the order of their steps."""
    return sorted(filter(_NAME.fullmatch, os.listdir(self.path)))

  def _remove_leftovers(self) -> None:
    """Removes what a save that did not end has left, or puts it back."""
    for entry in os.listdir(self.path):
      path = os.path.join(self.path, entry)
      if entry.startswith(_REPLACED):
        original = os.path.join(self.path, entry[len(_REPLACED):])
        if not os.path.lexists(original):
          os.rename(path, original)
          continue
      if entry.startswith((_UNFINISHED, _REPLACED)):
        shutil.rmtree(path)

  def _remove_old(self, saved: str) -> None:
    """Removes all but the newest, the one just saved among them."""
    self._remove_leftovers()
    others = [name for name in self._names()
              if name != saved and name not in self._damaged]
    for name in others[:max(0, len(others) - (self._keep - 1))]:
      shutil.rmtree(os.path.join(self.path, name))
    while self._damaged:
      shutil.rmtree(os.path.join(self.path, self._damaged.pop()))

  def _try_to(self, function: Callable[[], None]) -> None:
    try:
      function()
    except OSError as error:
      logging.warning('Not everything is removed in %s: %s', self.path, error)


def _describe_files(directory: str) -> Dict[str, Dict[str, Any]]:
  """Size and digest of each file in a directory."""
  return {name: _describe_file(os.path.join(directory, name))
          for name in sorted(os.listdir(directory))}


def _describe_file(path: str) -> Dict[str, Any]:
  digest, size = hashlib.sha256(), 0
  with open(path, 'rb') as file:
    while block := file.read(1 << 20):
      digest.update(block)
      size += len(block)
  return {'size': size, 'sha256': digest.hexdigest()}


def _verify(path: str) -> None:
  """Checks that the files of a checkpoint are those of its manifest.

  Raises:
    OSError: a file cannot be read.
    ValueError: says what is wrong.
  """
  with open(os.path.join(path, _MANIFEST), encoding='utf-8') as file:
    manifest = json.load(file)
  expected = manifest.get('files') if isinstance(manifest, dict) else None
  if not isinstance(expected, dict) or not expected:
    raise ValueError(f'{_MANIFEST} names no files')
  found = _describe_files(path)
  del found[_MANIFEST]
  for name in sorted(set(found) | set(expected)):
    if found.get(name) != expected.get(name):
      raise ValueError(f'{name} is not as {_MANIFEST} has it')


def _sync(path: str) -> None:
  """Waits until a file, or the names in a directory, are on the disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)
