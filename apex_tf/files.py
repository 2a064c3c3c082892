"""How a run writes its files: whole, and outliving a write that fails.

A disk may be full for a while, or a directory become one that nobody may write
to. What a run reports of itself is then lost, but the run is not: `attempt` is
the one place that says so. Supervisors use it: standard library only.
"""

import contextlib
import errno
import logging as std_logging
import os
import threading
from typing import Callable, Set, Union

# Absl's own, whether it is imported or not.
logging = std_logging.getLogger('absl')

# What TensorBoard, a status and a record need for a while; no checkpoint.
_ROOM_BYTES = 1 << 16
# Of files for others to read, as any that a user makes; the umask takes away.
MODE_OF_RESULTS = 0o666
# Of a disk that takes nothing for a while.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class _Failures:
  """What cannot be written now, and how often that was, in this process."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._names: Set[str] = set()
    self.count = 0

  def note(self, name: str, error: OSError) -> None:
    """Logs the first of several failures of one name."""
    with self._lock:
      self.count += 1
      is_first = name not in self._names
      self._names.add(name)
    if is_first:
      logging.error('%s is not written: %s (the run goes on; later failures '
                    'are counted)', name, error)

  def note_success(self, name: str) -> None:
    if name not in self._names:
      return
    with self._lock:
      self._names.discard(name)
    logging.warning('%s is written again.', name)


_failures = _Failures()


def failed_writes() -> int:
  """How many writes this process has attempted in vain."""
  return _failures.count


def attempt(name: str, write: Callable[[], object]) -> bool:
  """Writes something that a run can do without.

  The first of several failures is logged, and the success after them.

  Args:
    name: of what is written, such as its path.
    write: writes it; leaves nothing half-written where it raises OSError.

  Returns:
    Whether it was written.
  """
  try:
    write()
  except OSError as error:
    _failures.note(name, error)
    return False
  _failures.note_success(name)
  return True


def replace_file(path: str, data: Union[str, bytes],
                 mode: int = 0o600) -> None:
  """Writes a file whole, or leaves what was there.

  Args:
    path: of the file.
    data: all of its content.
    mode: of the file, which the umask lessens.

  Raises:
    OSError: it is not written.
  """
  temporary = _temporary_beside(path)
  try:
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, 'wb') as file:
      file.write(data.encode() if isinstance(data, str) else data)
    os.replace(temporary, path)
  except BaseException:
    with contextlib.suppress(OSError):
      os.unlink(temporary)
    raise


def check_room(directory: str, size: int = _ROOM_BYTES) -> None:
  """Writes so many bytes in a directory, and leaves nothing of them.

  Raises:
    OSError: there is no room, or nothing may be written there.
  """
  path = _temporary_beside(os.path.join(directory, 'room'))
  descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
  with os.fdopen(descriptor, 'wb') as file:
    os.unlink(path)
    file.write(os.urandom(size))  # A disk may keep zeros for nothing.
    file.flush()
    os.fsync(file.fileno())


def is_no_room(error: Exception) -> bool:
  """Whether a write failed because the disk is full or read-only.

  Args:
    error: an OSError, or one of a library that has its text in its own.
  """
  return any(os.strerror(number) in str(error) for number in _NO_ROOM)


def nearest_existing(path: str) -> str:
  """The path itself, or the first of its parents that is there."""
  while not os.path.lexists(path):
    path = os.path.dirname(path)
  return path


def refuse_directory(path: str) -> str:
  """What a path must be to be written into; "" where it is that.

  Args:
    path: of a directory that is there, or can be made.
  """
  nearest = nearest_existing(path)
  if not os.path.isdir(nearest):
    return f'a directory, and {nearest} is a file'
  if not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
    return f'a directory that may be written, and {nearest} may not'
  return ''


def _temporary_beside(path: str) -> str:
  """A name that no other thread of any process of this machine uses."""
  directory, name = os.path.split(path)
  return os.path.join(
      directory, f'.{name}.{os.getpid()}.{threading.get_ident()}')
