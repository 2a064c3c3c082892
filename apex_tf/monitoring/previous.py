"""Makes room in a run directory for the run to go on in it.

What the processes of the last launch left is moved to `logs/previous_<n>/`:
their output, `roles/`, `summary.json`, and copies of `config.json` and
`status.json`. Nothing is removed, and nothing is left from which the next
launch could seem to have ended or failed before it began. TensorBoard's event
files, checkpoints and the saved policy stay where they are.
"""

import dataclasses
import os
import re
import shutil
from typing import TYPE_CHECKING, Sequence

from apex_tf import files
from apex_tf.monitoring import status as status_lib

if TYPE_CHECKING:
  from apex_tf.monitoring import run_directory

_PREVIOUS = re.compile(r'previous_(\d+)')
# Files that a run replaces; the learner alone, while it goes on.
_LEARNERS = ('status.json', 'policy.npz')
_REPLACED = (*_LEARNERS, 'config.json', 'summary.json', 'learning_curve.png')


def set_aside(directory: 'run_directory.RunDirectory',
              has_checkpoint: bool) -> str:
  """Moves what the last launch left out of the way of the next.

  May be interrupted anywhere and called again.

  Args:
    directory: of a run none of whose processes is alive.
    has_checkpoint: whether the run goes on counting where it was. Then its
      status stays, as of a run that is starting: it is what there is to sum up,
      until the learner writes its own.

  Returns:
    Where it is now.

  Raises:
    OSError: it cannot be moved.
  """
  _remove_half_written(directory.path, _REPLACED)
  os.makedirs(directory.logs_directory, mode=0o700, exist_ok=True)
  names = os.listdir(directory.logs_directory)
  numbers = [int(match.group(1)) for match in map(_PREVIOUS.fullmatch, names)
             if match]
  target = os.path.join(
      directory.logs_directory, f'previous_{max(numbers, default=0) + 1}')
  os.mkdir(target, mode=0o700)
  for name in names:
    if not _PREVIOUS.fullmatch(name):
      os.rename(os.path.join(directory.logs_directory, name),
                os.path.join(target, name))
  for path in (directory.config_file, directory.status_file):
    if os.path.exists(path):
      shutil.copy2(path, target)
  _reset_status(directory, has_checkpoint)
  for path in (directory.summary_file, directory.roles_directory):
    if os.path.exists(path):
      os.rename(path, os.path.join(target, os.path.basename(path)))
  for path in (directory.roles_directory, directory.tensorboard_root):
    os.makedirs(path, mode=0o700, exist_ok=True)
  return target


def reopen(directory: 'run_directory.RunDirectory') -> None:
  """Takes back that the run is over, for a learner that is started by itself.

  Other roles may be at work in the directory; what is theirs stays.

  Args:
    directory: of a run, whose learner is not alive.

  Raises:
    OSError: it cannot be done.
  """
  checkpoints = directory.learner_checkpoints_directory
  _reset_status(directory, os.path.isdir(checkpoints) and
                bool(os.listdir(checkpoints)))
  if os.path.exists(directory.summary_file):
    os.unlink(directory.summary_file)


def clear_unbegun(directory: 'run_directory.RunDirectory') -> None:
  """Empties the directory of a launcher that was killed before its run began.

  Raises:
    OSError: it cannot be emptied, or holds what no such launcher has left.
  """
  _remove_half_written(directory.path, _REPLACED)
  for part in directory.parts:
    if os.path.isdir(part):
      if part == directory.roles_directory:
        for name in os.listdir(part):
          os.unlink(os.path.join(part, name))
      os.rmdir(part)


def tidy_up_after_learner(directory: 'run_directory.RunDirectory') -> None:
  """Removes what a learner that was killed has left of a file it replaced.

  What the launcher replaces meanwhile is left alone.

  Args:
    directory: of a run that goes on, whose learner is not at work.

  Raises:
    OSError: it cannot be removed.
  """
  _remove_half_written(directory.path, _LEARNERS)


def _remove_half_written(path: str, names: Sequence[str]) -> None:
  """Removes what a killed process has left of files that it replaced."""
  for name in os.listdir(path):
    if any(name.startswith(f'.{replaced}.') for replaced in names):
      os.unlink(os.path.join(path, name))


def _reset_status(directory: 'run_directory.RunDirectory',
                  has_checkpoint: bool) -> None:
  """Makes the old status that of a run which is starting."""
  try:
    status = directory.read_status()
  except (KeyError, TypeError, ValueError):  # Of another version, perhaps.
    has_checkpoint = False
  if not has_checkpoint:
    if os.path.exists(directory.status_file):
      os.unlink(directory.status_file)
    return
  if status is None:
    return
  status = dataclasses.replace(
      status, phase=status_lib.STARTING, stop_reason='', rates={}, actors={},
      stalls=[], unsaved=[],
      replay=status_lib.ReplayStatus(min_size=status.replay.min_size,
                                     capacity=status.replay.capacity),
      evaluations=[dataclasses.replace(evaluation, final=False)
                   for evaluation in status.evaluations])
  # Not `write_status`: an old one that stays would end the launch as done.
  files.replace_file(directory.status_file, status.to_json() + '\n')
