"""What is wrong with a path that is to be a run directory, in one line."""

import os
import time
from typing import TYPE_CHECKING

from apex_tf import files
from apex_tf.monitoring import role_records

if TYPE_CHECKING:
  from apex_tf.monitoring import run_directory

RESUME_CHOICES = ('auto', 'never', 'must')

# What roles of a launcher that was killed are given to end as well.
_ORPHAN_SECONDS = 10.0


def error(path: str, allowed: str) -> ValueError:
  """The error of --workdir."""
  return ValueError(f'workdir is {path!r}, but must be {allowed}')


def check(path: str, directory: 'run_directory.RunDirectory',
          resume: str) -> None:
  """Checks what a run directory is to be made of.

  Args:
    path: as it was given.
    directory: of that path, existing or not.
    resume: one of `RESUME_CHOICES`, see `opening.check`.

  Raises:
    ValueError: names `workdir`, its value and what is allowed.
  """
  try:
    os.lstat(directory.path)
    exists = True
  except FileNotFoundError:
    exists = False
  except (OSError, ValueError) as reason:  # Such as a name that is too long.
    raise error(path, f'the path of a directory ({reason})') from reason
  if exists and not os.path.isdir(directory.path):
    raise error(path, 'a directory, not a file')
  if exists and not os.access(
      directory.path, os.R_OK | os.X_OK, effective_ids=True):
    raise error(path, 'a directory that may be read')
  if directory.holds_run:
    _check_run(path, directory, resume)
  elif resume == 'must':
    raise error(path, 'of a run that --resume=must can go on with')
  elif not exists:
    _check_writable(path, files.nearest_existing(
        os.path.dirname(directory.path)))
  elif os.listdir(directory.path) and not _is_unbegun(directory):
    raise error(path, 'new or empty: it holds files that are not of a run')
  else:
    _check_ended(path, directory)
    _check_writable(path, directory.path)


def _check_run(path: str, directory: 'run_directory.RunDirectory',
               resume: str) -> None:
  """Checks a directory that holds a run."""
  _check_ended(path, directory)
  if resume == 'never':
    _check_writable(path, os.path.dirname(directory.path))
    return
  for part in (directory.path, *directory.parts,
               *directory.checkpoint_directories()):
    if os.path.lexists(part):
      _check_writable(path, part)


def _check_ended(path: str,
                 directory: 'run_directory.RunDirectory') -> None:
  """Checks that no process of a run is alive."""
  deadline = time.monotonic() + _ORPHAN_SECONDS
  while True:
    alive = {r.role: r for r in directory.read_roles().values() if r.alive()}
    if not alive:
      return
    if role_records.LAUNCHER in alive or time.monotonic() > deadline:
      break
    time.sleep(0.1)
  who = ', '.join(f'{r.role} is process {r.pid}'
                  for r in list(alive.values())[:3])
  raise error(path, f'of a run that has ended: this one goes on ({who})')


def _is_unbegun(directory: 'run_directory.RunDirectory') -> bool:
  """Whether a launcher was killed before it wrote the configuration."""
  parts = {os.path.basename(part) for part in directory.parts}
  return not any(
      os.listdir(part)
      for part in (directory.logs_directory, directory.tensorboard_root)
      if os.path.isdir(part)) and all(
          name in parts or name.startswith('.config.json.')
          for name in os.listdir(directory.path))


def _check_writable(path: str, directory: str) -> None:
  """Checks that files can be made in a directory that exists."""
  if not os.path.isdir(directory):
    raise error(path, f'in a directory, but {directory} is a file')
  if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
    raise error(path, f'writable, but {directory} is not')
