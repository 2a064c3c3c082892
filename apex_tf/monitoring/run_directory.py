"""The directory that holds everything of one run.

    config.json          the resolved configuration
    status.json          the run's newest `RunStatus`
    summary.json         its result, once it has ended
    learning_curve.png   evaluator return against agent steps and minutes
    policy.npz           the last policy published, each minute and at the end
    evaluation.json      what `launch.evaluate` last measured of that policy
    report/              what `launch.report` makes of it
    checkpoints/learner/ the last three of the learner, by learner step
    checkpoints/replay/  the last one of replay, if it is to have any; of
                         several shards, replay_0/ and so on
    failures/            batches that gave a loss or gradient that is not finite
    logs/<group>/<index> output of each role's process
    logs/previous_<n>/   the same, and more, of launches before it was resumed
    tensorboard/<role>/  event files of each role
    roles/<role>.json    whether each role runs, has stopped or has failed
    tmp/                 temporary files of all processes, while they run

Files are replaced whole, so that a reader never sees half of one. What roles
report there once the run has begun they can do without: where a status, a
summary or a record cannot be written, that is logged, and the run goes on.
"""

import json
import os
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, TypeVar

from apex_tf import config as config_lib
from apex_tf import files
from apex_tf.monitoring import role_records
from apex_tf.monitoring import status as status_lib

_T = TypeVar('_T')


def read_strictly(path: str, read: Callable[[], _T]) -> _T:
  """What one of a directory's readers returns, its errors with the file's name.

  Args:
    path: of the file that it reads.
    read: such as `RunDirectory.read_status`.

  Raises:
    ValueError: names the file.
  """
  try:
    return read()
  except json.JSONDecodeError as error:
    raise ValueError(f'{path} is corrupt: {error}') from error
  except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
    raise ValueError(f'{path} is not that of a run of this version: '
                     f'{type(error).__name__}: {error}') from error


def _to_json(data: Dict[str, Any]) -> str:
  return json.dumps(data, indent=2, allow_nan=False) + '\n'


def _attempt_to_replace(path: str, text: str) -> bool:
  return files.attempt(path, lambda: files.replace_file(path, text))


def _read(path: str) -> Optional[str]:
  try:
    with open(path, encoding='utf-8') as file:
      return file.read()
  except FileNotFoundError:
    return None


class RunDirectory:
  """Names and files of one run. It can be pickled and sent to any role."""

  def __init__(self, path: str):
    """Names a directory, whether it exists or not; see `opening`."""
    self.path = _resolve(path)
    # Where a run that was here was moved when this was opened.
    self.moved_aside: Optional[str] = None
    # Whether a run was found here that goes on.
    self.resumed = False

  @property
  def config_file(self) -> str:
    return self._join('config.json')

  @property
  def status_file(self) -> str:
    return self._join('status.json')

  @property
  def summary_file(self) -> str:
    return self._join('summary.json')

  @property
  def learning_curve_file(self) -> str:
    return self._join('learning_curve.png')

  @property
  def policy_file(self) -> str:
    return self._join('policy.npz')

  @property
  def evaluation_file(self) -> str:
    return self._join('evaluation.json')

  def checkpoint_directories(self) -> List[str]:
    """Those that are there, of the learner and of the shards of replay."""
    root = self._join('checkpoints')
    return ([os.path.join(root, name) for name in sorted(os.listdir(root))]
            if os.path.isdir(root) else [])

  @property
  def learner_checkpoints_directory(self) -> str:
    """See `learner_checkpoint.LearnerCheckpointer`."""
    return self._join(os.path.join('checkpoints', 'learner'))

  def replay_checkpoints_directory(self, role: str = 'replay') -> str:
    """Of replay, or of a shard, "replay_3"; see `ReplayCheckpointer`."""
    return self._join(os.path.join('checkpoints', role))

  @property
  def failures_directory(self) -> str:
    """See `non_finite.save_batch`."""
    return self._join('failures')

  @property
  def logs_directory(self) -> str:
    """What `LAUNCHPAD_LOGGING_DIR` is to be."""
    return self._join('logs')

  @property
  def temporary_directory(self) -> str:
    """What `TMPDIR` is to be."""
    return self._join('tmp')

  @property
  def tensorboard_root(self) -> str:
    """What `tensorboard --logdir` is to be."""
    return self._join('tensorboard')

  @property
  def holds_run(self) -> bool:
    """Whether a run has begun here."""
    return os.path.lexists(self.config_file)

  @property
  def roles_directory(self) -> str:
    return self._join('roles')

  @property
  def parts(self) -> Sequence[str]:
    """The directories that every run has."""
    return (self.logs_directory, self.tensorboard_root, self.roles_directory)

  def tensorboard_directory(self, role: str) -> str:
    """Of the event files of one role, such as "actor_3"."""
    return os.path.join(self.tensorboard_root, role)

  def log_file(self, role: str) -> str:
    """Where Launchpad writes the output of a role's process."""
    if role == role_records.LAUNCHER:
      return self.launcher_log_file
    group, _, index = role.rpartition('_')
    if not (group and index.isdigit()):
      group, index = role, '0'
    return os.path.join(self.logs_directory, group, index)

  @property
  def launcher_log_file(self) -> str:
    """What Launchpad itself prints."""
    return os.path.join(self.logs_directory, 'launcher')

  def write_config(self, config: config_lib.Config) -> None:
    files.replace_file(self.config_file, config.to_json() + '\n')

  def read_config(self) -> config_lib.Config:
    """The configuration of the run.

    Raises:
      FileNotFoundError: there is no run here.
      ValueError: it is not a configuration of this version.
    """
    with open(self.config_file, encoding='utf-8') as file:
      return config_lib.Config.from_json(file.read())

  def write_status(self, status: status_lib.RunStatus) -> bool:
    """Writes the newest status; whether it could be written."""
    return _attempt_to_replace(self.status_file, status.to_json() + '\n')

  def read_status(self) -> Optional[status_lib.RunStatus]:
    """The newest status, or None if there is none yet."""
    text = _read(self.status_file)
    return None if text is None else status_lib.RunStatus.from_json(text)

  def last_wall_seconds(self) -> float:
    """What the run had taken by the newest status; 0 where there is none that
    can be read."""
    try:
      status = self.read_status()
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
      return 0.0
    return status.wall_seconds if status is not None else 0.0

  def status_age_seconds(self) -> float:
    """Seconds since the status was written; 0 if there is none yet."""
    try:
      return max(0.0, time.time() - os.path.getmtime(self.status_file))
    except FileNotFoundError:
      return 0.0

  def write_summary(self, summary: Dict[str, Any]) -> None:
    """Writes strict JSON.

    Raises:
      ValueError: a value is NaN or infinite.
    """
    _attempt_to_replace(self.summary_file, _to_json(summary))

  def read_summary(self) -> Optional[Dict[str, Any]]:
    """What `write_summary` wrote, or None if the run has not ended."""
    text = _read(self.summary_file)
    return None if text is None else json.loads(text)

  def write_evaluation(self, evaluation: Dict[str, Any]) -> None:
    """Writes strict JSON of an evaluation after the run.

    Raises:
      OSError: it is not written.
      ValueError: a value is NaN or infinite.
    """
    files.replace_file(self.evaluation_file, _to_json(evaluation))

  def record_start(self, role: str) -> bool:
    """Called by a role first of all, also when it is started again.

    Returns:
      Whether it could be written.
    """
    return self._record(role, role_records.RUNNING, '')

  def record_stop(self, role: str) -> None:
    """Called by a role that ends as it should."""
    self._record(role, role_records.STOPPED, '')

  def record_failure(self, role: str, reason: str) -> None:
    """Called by a role that ends by an error, with that error."""
    self._record(role, role_records.FAILED, reason)

  def read_roles(self) -> Dict[str, role_records.RoleRecord]:
    """The newest record of each role that has started, by role."""
    try:
      names = sorted(os.listdir(self.roles_directory))
    except FileNotFoundError:
      return {}
    records = {}
    for name in names:
      if name.startswith('.') or not name.endswith('.json'):
        continue  # A record that is just being written.
      text = _read(os.path.join(self.roles_directory, name))
      if text is not None:
        record = role_records.RoleRecord.from_json(text)
        records[record.role] = record
    return records

  def read_restarts(self) -> Dict[str, int]:
    """How often each role was started again; without those that were not."""
    return {role: record.restarts
            for role, record in self.read_roles().items() if record.restarts}

  def find_failures(self) -> List[role_records.RoleFailure]:
    """Every role that has failed, the likeliest cause first.

    Those that recorded an error come first, the earliest first; then those
    whose process has vanished while it was to run.
    """
    records = list(self.read_roles().values())
    failed = sorted((r for r in records if r.state == role_records.FAILED),
                    key=lambda record: record.time)
    vanished = [r for r in records if r.vanished()]
    return [
        role_records.RoleFailure(
            record.role, record.reason or role_records.VANISHED_REASON,
            self.log_file(record.role)) for record in failed + vanished
    ]

  def find_failure(self) -> Optional[role_records.RoleFailure]:
    """The first of `find_failures`, or None if no role has failed."""
    failures = self.find_failures()
    return failures[0] if failures else None

  def _record(self, role: str, state: str, reason: str) -> bool:
    path = os.path.join(self.roles_directory, role_records.file_name(role))
    record = role_records.RoleRecord.of_this_process(role, state, reason)

    def write() -> None:
      os.makedirs(self.roles_directory, mode=0o700, exist_ok=True)
      files.replace_file(path, record.to_json())

    return files.attempt(path, write)

  def _join(self, name: str) -> str:
    return os.path.join(self.path, name)


def _resolve(path: str) -> str:
  # The shell does not expand the tilde of --workdir=~/runs.
  return os.path.abspath(os.path.expanduser(path))
