"""A disk that tests may fill, for root and for whoever may have namespaces."""

import errno
import os
import pathlib
import subprocess
import tempfile
import time

_BLOCK = 1 << 16
_TOP_UP_SECONDS = 0.05


class NoMountsError(RuntimeError):
  """This machine lets the process mount nothing."""


class SmallDisk:
  """A file system in memory, in a mount namespace that a shell keeps alive.

  It vanishes with the shell, and that with this process.

  Attributes:
    path: of its root, as every other process sees it.
  """

  def __init__(self, megabytes: int):
    """Mounts it, empty.

    Args:
      megabytes: that fit.

    Raises:
      NoMountsError: says what was refused.
    """
    self._place = tempfile.gettempdir()
    options = ['--mount'] if not os.geteuid() else ['--map-root-user',
                                                    '--mount']
    try:
      self._shell = subprocess.Popen(
          ['unshare', *options, 'sh'], text=True, stdin=subprocess.PIPE,
          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError as error:
      raise NoMountsError(f'a full disk needs unshare(1): {error}') from error
    self._run(f'mount -t tmpfs -o size={megabytes}m,mode=700 none '
              f'{self._place}')
    self.path = pathlib.Path(f'/proc/{self._shell.pid}/root{self._place}')
    self._filler = self.path / 'filler'

  @property
  def used_megabytes(self) -> float:
    usage = os.statvfs(self.path)
    return (usage.f_blocks - usage.f_bfree) * usage.f_frsize / 1e6

  def fill(self, seconds: float = 0.0) -> int:
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

  def give_back(self, size: int) -> None:
    """Frees so many bytes of those that fill it."""
    os.truncate(self._filler, self._filler.stat().st_size - size)

  def make_room(self) -> None:
    """Removes what fills it."""
    self._filler.unlink()

  def forbid_writing(self, forbidden: bool = True) -> None:
    """Remounts it, read-only or not; nothing may be open for writing."""
    self._run(f'mount -o remount,{"ro" if forbidden else "rw"} {self._place}')

  def close(self) -> None:
    self._shell.communicate()

  def _run(self, command: str) -> None:
    assert self._shell.stdin and self._shell.stdout
    try:
      self._shell.stdin.write(f'{command}; echo $?\n')
      self._shell.stdin.flush()
    except BrokenPipeError:
      pass  # The shell has said why.
    answer = self._shell.stdout.readline()
    if answer != '0\n':
      self._shell.kill()
      raise NoMountsError(
          'a full disk needs a file system to fill, and this machine allows no '
          f'mount ({answer.strip()})')


def _write_all_that_fits(descriptor: int) -> None:
  size = _BLOCK
  while size:
    try:
      os.write(descriptor, bytes(size))
    except OSError as error:
      if error.errno != errno.ENOSPC:
        raise
      size //= 2


# What may be the matter with a disk, and what ends it.
TROUBLES = {
    'full': (lambda disk: disk.fill(), lambda disk: disk.make_room()),
    'read-only': (lambda disk: disk.forbid_writing(),
                  lambda disk: disk.forbid_writing(False)),
}
