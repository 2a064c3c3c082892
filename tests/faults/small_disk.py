"""A file system of its own that a test may fill to the last byte.

It is a small tmpfs in a mount namespace of the process: nobody else sees it,
and it vanishes with the last process that does.
"""

import errno
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import List

# Of the environment of the process that has a mount namespace of its own.
_MARK = 'APEX_TF_FAULTS_MOUNTS'
_BLOCK = 1 << 16
_TOP_UP_SECONDS = 0.05


class NoMountsError(RuntimeError):
  """This machine lets the process mount nothing."""


def enter(command: List[str]) -> None:
  """Runs a command in a mount namespace; returns in there.

  Root gets the namespace as it is, anyone else together with a user namespace.

  Args:
    command: of this process, to be run again.

  Raises:
    NoMountsError: there is neither.
  """
  if os.environ.get(_MARK) == os.readlink('/proc/self/ns/mnt'):
    return
  refusals = []
  for options in (['--mount'], ['--mount', '--user', '--map-root-user']):
    try:
      tried = subprocess.run(
          ['unshare', *options, 'mount', '-t', 'tmpfs', 'none',
           tempfile.gettempdir()],
          capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
      raise NoMountsError(f'a full disk needs unshare(1): {error}') from error
    if tried.returncode == 0:
      sys.stdout.flush()
      os.execvp('unshare', [
          'unshare', *options, 'sh', '-c',
          f'{_MARK}=$(readlink /proc/self/ns/mnt) exec "$@"', 'sh', *command])
    refusals.append(f'unshare {" ".join(options)}: {tried.stderr.strip()}')
  raise NoMountsError(
      'a full disk needs a file system to fill, and this machine allows no '
      f'mount, neither to root nor in a user namespace ({"; ".join(refusals)})')


class SmallDisk:
  """A tmpfs, mounted until `close`."""

  def __init__(self, path: pathlib.Path, megabytes: int):
    """Mounts it, within the namespace of `enter`.

    Args:
      path: of an empty directory.
      megabytes: that fit.
    """
    self.path = path
    self._filler = path / 'filler'
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={megabytes}m,mode=700',
                    'none', str(path)], check=True)

  @property
  def used_megabytes(self) -> float:
    usage = os.statvfs(self.path)
    return (usage.f_blocks - usage.f_bfree) * usage.f_frsize / 1e6

  def fill(self, seconds: float) -> int:
    """Takes every byte that is free, or becomes free, for this long.

    Returns:
      Bytes that the filler has in the end; it remains.
    """
    deadline = time.monotonic() + seconds
    with open(self._filler, 'ab', buffering=0) as file:
      while True:
        _write_all_that_fits(file.fileno())
        if time.monotonic() >= deadline:
          return file.tell()
        time.sleep(_TOP_UP_SECONDS)

  def free(self) -> None:
    """Removes what fills it."""
    self._filler.unlink()

  def close(self) -> None:
    """Unmounts it, together with what is on it."""
    # Lazily: a process that was just killed may yet hold a file.
    subprocess.run(['umount', '--lazy', str(self.path)], check=True)


def _write_all_that_fits(descriptor: int) -> None:
  size = _BLOCK
  while size:
    try:
      os.write(descriptor, bytes(size))
    except OSError as error:
      if error.errno != errno.ENOSPC:
        raise
      size //= 2
