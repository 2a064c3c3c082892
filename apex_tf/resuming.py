"""Whether a run directory's run may go on, and what to say of it.

Neither TensorFlow nor Reverb is imported for it.
"""

import os
import time
from typing import NamedTuple, Optional

from apex_tf import checkpoint_directory
from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf import settings
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import opening
from apex_tf.monitoring import run_directory
from apex_tf.replay import checkpoint_size

# How many changed fields are named.
_SHOWN = 3


class Checkpoint(NamedTuple):
  """The newest checkpoint of a run's learner.

  Attributes:
    learner_steps: that it holds.
    time: when it was written, in seconds since the epoch.
  """
  learner_steps: int
  time: float


class ReplayCheckpoint(NamedTuple):
  """The newest checkpoints of a run's replay, one for each shard.

  Attributes:
    items: transitions that they hold, or a few more.
    time: when the oldest was written, in seconds since the epoch.
  """
  items: int
  time: float


def check(path: str, resume: str, config: config_lib.Config) -> None:
  """Checks that a run may begin, or go on, in a directory; touches nothing.

  Args:
    path: of the run directory, existing or not.
    resume: one of `directory_checks.RESUME_CHOICES`.
    config: what the run is to be from now on.

  Raises:
    ValueError: names the flag, or the changed field, its value and what is
      allowed.
  """
  opening.check(path, resume)
  directory = run_directory.RunDirectory(path)
  if resume != 'never' and directory.holds_run:
    check_same(config, directory, path)


def check_same(config: config_lib.Config,
               directory: run_directory.RunDirectory, path: str,
               otherwise: str = 'the run be started afresh with --resume=never'
              ) -> None:
  """Checks that a configuration changes only what may change.

  Args:
    config: of the run from now on.
    directory: of the run until now.
    path: of that directory, as it was given.
    otherwise: what can be done instead.

  Raises:
    ValueError: names the first changed fields, with both values.
  """
  try:
    old = directory.read_config()
  except (OSError, ValueError) as error:
    raise ValueError(
        f'workdir is {path!r}, but must be of a run whose config.json can be '
        f'read ({error}), or {otherwise}') from error
  changed = [f'{field} is {new!r}, but must be {before!r}'
             for field, new, before in settings.differences(config, old)]
  if changed:
    more = len(changed) - _SHOWN
    raise ValueError(
        f'{"; ".join(changed[:_SHOWN])}{f"; and {more} more" * (more > 0)}, as '
        f'in the run of --workdir={path}, or {otherwise}')


def find_checkpoint(path: str, resume: str) -> Optional[Checkpoint]:
  """The checkpoint from which a run will go on, or None.

  Args:
    path: as `check` has passed it.
    resume: likewise.

  Raises:
    ValueError: the checkpoints cannot be read; names `workdir`.
  """
  directory = run_directory.RunDirectory(path)
  found = _find_newest(
      path, resume, directory, directory.learner_checkpoints_directory)
  return found and Checkpoint(found.step, os.path.getmtime(found.path))


def find_replay_checkpoint(
    path: str, resume: str,
    config: config_lib.Config) -> Optional[ReplayCheckpoint]:
  """That with which replay will begin, or None.

  Args:
    path: as `check` has passed it.
    resume: likewise.
    config: of the run from now on.

  Raises:
    ValueError: the checkpoints cannot be read; names `workdir`.
  """
  if not config.replay.checkpoint_minutes:
    return None
  directory = run_directory.RunDirectory(path)
  found = [
      newest for role in metric_table.replay_roles(config.replay.shards)
      if (newest := _find_newest(
          path, resume, directory,
          directory.replay_checkpoints_directory(role))) is not None]
  try:
    return ReplayCheckpoint(
        sum(checkpoint_size.read_state(newest.path) for newest in found),
        min(os.path.getmtime(newest.path) for newest in found)
    ) if found else None
  except (OSError, ValueError) as error:
    raise _unreadable(path, error) from error


def _find_newest(path: str, resume: str,
                 directory: run_directory.RunDirectory,
                 checkpoints: str) -> Optional[checkpoint_directory.Found]:
  if resume == 'never' or not directory.holds_run:
    return None
  try:
    return checkpoint_directory.CheckpointDirectory(checkpoints).find_newest()
  except OSError as error:
    raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> ValueError:
  return ValueError(f'workdir is {path!r}, but must be of a run whose '
                    f'checkpoints can be read ({error})')


def describe(path: str, config: config_lib.Config,
             checkpoint: Optional[Checkpoint],
             replay: Optional[ReplayCheckpoint]) -> str:
  """One line for the terminal: from where a run goes on.

  Args:
    path: of the run directory, as it was given.
    config: of the run from now on.
    checkpoint: `find_checkpoint` of it.
    replay: `find_replay_checkpoint` of it.
  """
  filling = replay is None or replay.items < config.replay.min_size
  fill = f'{config.replay.min_size:,} transitions'
  if replay is None:
    holds = 'replay is empty'
  else:
    holds = (f'replay has the {replay.items:,} transitions of '
             f'{_age(replay.time)} ago')
  if checkpoint is None:
    return (f'Resuming {path}, which has no checkpoint of the learner: '
            'learning and counting begin anew'
            f'{f", when replay holds {fill}" if filling else ""}; {holds}')
  then = (f': the restored policy fills it to {fill} before learning goes on'
          if filling else '')
  return (f'Resuming {path} from learner step {checkpoint.learner_steps:,} of '
          f'{_age(checkpoint.time)} ago; {holds}{then}')


def _age(seconds: float) -> str:
  return fmt.duration(time.time() - seconds)
