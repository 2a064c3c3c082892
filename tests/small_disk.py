"""A disk that tests may fill, for any user who may have namespaces."""

import os
import pathlib
import subprocess
import tempfile


class SmallDisk:
  """A file system in memory, in a mount namespace that a shell keeps alive."""

  def __init__(self, megabytes: int):
    """Mounts it, empty."""
    place = tempfile.gettempdir()
    self._shell = subprocess.Popen(
        ['unshare', '--map-root-user', '--mount', 'sh'], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    self._run(f'mount -t tmpfs -o size={megabytes}m none {place}')
    # As seen from every other process.
    self.path = pathlib.Path(f'/proc/{self._shell.pid}/root{place}')
    self._place = place
    self._ballast = self.path / 'ballast'

  def fill(self) -> None:
    """Leaves no room; a file that is made meanwhile may be empty at most."""
    with open(self._ballast, 'ab', buffering=0) as file:
      for size in (1 << 20, 1 << 12, 1):
        try:
          while True:
            file.write(bytes(size))
        except OSError:
          pass
    assert os.statvfs(self.path).f_bavail == 0

  def make_room(self) -> None:
    """Takes away what `fill` has put there."""
    self._ballast.unlink()

  def forbid_writing(self, forbidden: bool = True) -> None:
    """Remounts it, read-only or not; nothing may be open for writing."""
    self._run(f'mount -o remount,{"ro" if forbidden else "rw"} {self._place}')

  def close(self) -> None:
    self._shell.communicate()

  def _run(self, command: str) -> None:
    assert self._shell.stdin and self._shell.stdout
    self._shell.stdin.write(f'{command}; echo $?\n')
    self._shell.stdin.flush()
    assert self._shell.stdout.readline() == '0\n', command
