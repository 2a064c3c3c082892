"""Makes run directories, and makes those that are there ready to go on."""

import os

from apex_tf import files
from apex_tf.monitoring import directory_checks
from apex_tf.monitoring import previous
from apex_tf.monitoring import run_directory

# What a launch writes at once; where a disk has no room for it, none begins.
_FIRST_BYTES = 1 << 20


def check(path: str, resume: str) -> None:
  """Checks that `prepare` may be called; touches nothing.

  Args:
    path: of the run directory, existing or not.
    resume: "auto" to go on with a run that is there, "must" to refuse a
      directory without one, "never" to move aside a run that is there.

  Raises:
    ValueError: names `workdir` or `resume`, its value and what is allowed.
  """
  choices = directory_checks.RESUME_CHOICES
  if resume not in choices:
    raise ValueError(f'resume is {resume!r}, but must be one of '
                     f'{", ".join(choices)}')
  if not path:
    raise ValueError("workdir is '', but must be the path of a directory")
  directory_checks.check(path, run_directory.RunDirectory(path), resume)


def prepare(path: str, resume: str, has_checkpoint: bool = False
           ) -> run_directory.RunDirectory:
  """Makes a run directory, or makes one ready for its run to go on.

  Args:
    path: of the run directory; parents are made where they are missing.
    resume: as in `check`; "never" moves a run that is there to `<path>.1`, or
      `.2` and so on, the first that is free.
    has_checkpoint: whether a run that is there goes on counting where it was.

  Returns:
    The directory, of mode 0700 unless it was there; `resumed` says whether it
    holds a run that goes on, and `moved_aside` where an old run went, or None.

  Raises:
    ValueError: as `check`, before anything is written.
  """
  check(path, resume)
  directory = run_directory.RunDirectory(path)
  try:
    # Before anything is made or moved.
    files.check_room(files.nearest_existing(directory.path),
                     _FIRST_BYTES)
    if directory.holds_run and resume != 'never':
      directory.resumed = True
      previous.set_aside(directory, has_checkpoint)
      return directory
    if directory.holds_run:
      directory.moved_aside = _first_free(directory.path)
      os.rename(directory.path, directory.moved_aside)
    os.makedirs(os.path.dirname(directory.path), exist_ok=True)
    if not os.path.isdir(directory.path):
      os.mkdir(directory.path, mode=0o700)
    elif os.listdir(directory.path):
      previous.clear_unbegun(directory)
    for part in directory.parts:
      os.mkdir(part, mode=0o700)
  except OSError as error:  # What access() does not tell: a full disk, a race.
    raise directory_checks.error(
        path, f'a directory that can be written to ({error})') from error
  return directory


def for_role(path: str) -> run_directory.RunDirectory:
  """Makes a directory for one role, or for all of a run, where it is missing.

  Args:
    path: of the directory; what is there stays.

  Raises:
    OSError: it cannot be made.
  """
  directory = run_directory.RunDirectory(path)
  for part in (directory.path, *directory.parts):
    os.makedirs(part, mode=0o700, exist_ok=True)
  return directory


def _first_free(path: str) -> str:
  number = 1
  while os.path.lexists(f'{path}.{number}'):
    number += 1
  return f'{path}.{number}'
