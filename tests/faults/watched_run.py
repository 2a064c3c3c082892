"""The real program under faults: its command, processes, files and logs."""

import os
import pathlib
import subprocess
import sys
from typing import Dict, List, NamedTuple, Optional, Sequence

import psutil

from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from tests.faults import checkpoints
from tests.integration import programs

NUM_ACTORS = 2
ROLES = ('replay', 'learner', 'actor_0', 'actor_1', 'evaluator')
_LEARNER_CHECKPOINT_SECONDS = 3.0
_REPLAY_CHECKPOINT_SECONDS = 3.0

_FLAGS = (
    *programs.SMALL,
    f'--config.actor.num_actors={NUM_ACTORS}',
    f'--config.learner.checkpoint_minutes={_LEARNER_CHECKPOINT_SECONDS / 60}',
    f'--config.replay.checkpoint_minutes={_REPLAY_CHECKPOINT_SECONDS / 60}',
    # As often as the campaign likes, which is more than any run should see.
    '--config.run.max_restarts=1000',
    # Replay looks as often whether a checkpoint is due; but the disk is small.
    '--config.run.metrics_period_seconds=2',
    # Not full at once: what replay holds is to differ from time to time.
    '--config.replay.capacity=20000',
)


class LogPosition(NamedTuple):
  """How far a log file was written: its inode (0 without one), its size."""
  inode: int
  size: int


class RoleProcess(NamedTuple):
  """Ids of a role's supervisor and of the role; 0 where there is none."""
  supervisor: int
  pid: int


class WatchedRun:
  """One run in one directory, launched as often as it takes."""

  def __init__(self, folder: pathlib.Path, workdir: pathlib.Path):
    """Starts nothing yet.

    Args:
      folder: for what the terminal would show and for temporary files.
      workdir: the run directory.
    """
    self.workdir = workdir
    self.directory = run_directory.RunDirectory(str(workdir))
    self.temporary_directory = folder / 'tmp'
    self.temporary_directory.mkdir()
    self.launches = 0
    self.learner_checkpoints = checkpoints.Checkpoints(
        workdir / 'checkpoints' / 'learner')
    self.replay_checkpoints = checkpoints.Checkpoints(
        workdir / 'checkpoints' / 'replay')
    self._folder = folder
    self._launcher: Optional[psutil.Popen] = None

  @property
  def command(self) -> List[str]:
    return [sys.executable, '-m', 'launch.train',
            f'--config={programs.ROOT}/configs/cartpole.py',
            f'--workdir={self.workdir}', *_FLAGS]

  @property
  def launcher(self) -> psutil.Popen:
    assert self._launcher is not None
    return self._launcher

  def start(self) -> None:
    """Launches it, as a shell of its own would."""
    self.launches += 1
    with open(self.terminal_file, 'wb') as terminal:
      self._launcher = psutil.Popen(
          self.command, cwd=self._folder, stdout=terminal, stderr=terminal,
          stdin=subprocess.DEVNULL, start_new_session=True,
          env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '2',
               'PYTHONPATH': str(programs.ROOT),
               'TMPDIR': str(self.temporary_directory)})

  @property
  def terminal_file(self) -> pathlib.Path:
    return self._folder / f'terminal_{self.launches}.txt'

  def processes(self) -> List[psutil.Process]:
    """All that are of this run, of whatever launch, session and parent."""
    # The launcher's, and what it gives to all others.
    places = {str(self.temporary_directory), self.directory.temporary_directory}
    found = []
    for process in psutil.process_iter():
      try:
        if process.status() != psutil.STATUS_ZOMBIE and (
            process.environ().get('TMPDIR') in places):
          found.append(process)
      except psutil.Error:  # It has ended, or is another user's.
        continue
    return found

  def role_processes(self) -> Dict[str, RoleProcess]:
    """By role; told by the command lines, not by what the run writes down."""
    found = dict.fromkeys(ROLES, RoleProcess(0, 0))
    try:
      supervisors = self.launcher.children()
    except psutil.NoSuchProcess:
      return found
    for supervisor in supervisors:
      try:
        role = _supervised_role(supervisor.cmdline())
        roles = [child.pid for child in supervisor.children()
                 if child.status() != psutil.STATUS_ZOMBIE]
      except psutil.NoSuchProcess:
        continue
      if role in found:
        found[role] = RoleProcess(supervisor.pid, roles[0] if roles else 0)
    return found

  def status(self) -> status_lib.RunStatus:
    return self.directory.read_status() or status_lib.RunStatus()

  def status_time(self) -> float:
    """When the status was written, in seconds since the epoch; 0 if never."""
    try:
      return os.stat(self.directory.status_file).st_mtime
    except FileNotFoundError:
      return 0.0

  def log_position(self, role: str) -> LogPosition:
    try:
      status = os.stat(self.directory.log_file(role))
      return LogPosition(status.st_ino, status.st_size)
    except FileNotFoundError:
      return LogPosition(0, 0)

  def log_since(self, role: str, position: LogPosition) -> str:
    """What a role's log has more than then; all of it after a new launch."""
    try:
      with open(self.directory.log_file(role), 'rb') as file:
        if os.fstat(file.fileno()).st_ino == position.inode:
          file.seek(position.size)
        return file.read().decode(errors='replace')
    except FileNotFoundError:
      return ''

  def kill(self) -> None:
    """Ends whatever is left of it."""
    for process in self.processes():
      try:
        process.kill()
      except psutil.NoSuchProcess:
        continue
    if self._launcher is not None:
      self._launcher.wait()


def _supervised_role(command: Sequence[str]) -> str:
  """The role of a supervisor's command line, or ""."""
  for word in command:
    if word.startswith('--role='):
      role = word.removeprefix('--role=')
      if '{}' in role:
        role = role.format(command[command.index('--lp_task_id') + 1])
      return role
  return ''
