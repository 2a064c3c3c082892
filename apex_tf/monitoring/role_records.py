"""Whether a role runs, has stopped or has failed: one small record each.

Launchpad says that a node has failed, not which one, nor why. So each role
writes its own record, and a process that could not, because it was killed, is
known by a record that says "running" of a process that no longer exists. Where
a supervisor is to start it again, the supervisor writes that down meanwhile.
"""

import dataclasses
import json
import os
import socket
import time
from typing import Optional

from apex_tf import files

# The role name of the process that starts all others.
LAUNCHER = 'launcher'

RUNNING = 'running'
# It has died, and its supervisor is about to start it again.
RESTARTING = 'restarting'
STOPPED = 'stopped'
FAILED = 'failed'

# Of the environment of a role that is supervised: how often it has died.
RESTARTS_VARIABLE = 'APEX_TF_RESTARTS'

VANISHED_REASON = 'the process ended without a word (killed?)'


@dataclasses.dataclass(frozen=True)
class RoleRecord:
  """What a role last wrote of itself.

  Attributes:
    role: such as "learner" or "actor_3".
    state: `RUNNING`, `RESTARTING`, `STOPPED` or `FAILED`.
    reason: why it failed or is started again, otherwise "".
    pid: of the process that wrote this: the role's own, which all roles of
      `local_mt` share, or its supervisor's.
    process_start: when that process was started, in clock ticks since boot:
      tells it from a later process of the same pid.
    host: on which its pid means something.
    time: of this record, in seconds since the epoch.
    restarts: how often its supervisor has started it again, in this launch.
  """
  role: str
  state: str
  reason: str
  pid: int
  process_start: int
  host: str
  time: float
  restarts: int = 0

  @classmethod
  def of_this_process(cls, role: str, state: str, reason: str) -> 'RoleRecord':
    pid = os.getpid()
    return cls(role, state, reason, pid, _process_start(pid) or 0,
               socket.gethostname(), time.time(),
               int(os.environ.get(RESTARTS_VARIABLE, '0')))

  def alive(self) -> bool:
    """Whether it runs, or is about to, as far as this host can tell."""
    return (self.state in (RUNNING, RESTARTING) and self._is_here() and
            _process_start(self.pid) == self.process_start)

  def vanished(self) -> bool:
    """Whether it should run on this host, but its process is gone."""
    return (self.state in (RUNNING, RESTARTING) and self._is_here() and
            _process_start(self.pid) != self.process_start)

  def to_json(self) -> str:
    return json.dumps(dataclasses.asdict(self), indent=1) + '\n'

  @classmethod
  def from_json(cls, text: str) -> 'RoleRecord':
    return cls(**json.loads(text))

  def _is_here(self) -> bool:
    return self.host == socket.gethostname()


@dataclasses.dataclass(frozen=True)
class RoleFailure:
  """A role that has failed, why, and where its output is."""
  role: str
  reason: str
  log_file: str

  def __str__(self) -> str:
    """One line: "actor_1 failed: ValueError: no such rom (log: ...)"."""
    reason = ' '.join(self.reason.split())
    return f'{self.role} failed: {reason} (log: {self.log_file})'


def file_name(role: str) -> str:
  """Of a role's record."""
  return f'{role}.json'


def read(path: str) -> Optional[RoleRecord]:
  """A record from its file, or None where there is none that can be read."""
  try:
    with open(path, encoding='utf-8') as file:
      return RoleRecord.from_json(file.read())
  except (OSError, ValueError, TypeError):
    return None


def write(path: str, record: RoleRecord) -> None:
  """Replaces the file of a record whole.

  Raises:
    OSError: it could not be written; what was there is left.
  """
  files.replace_file(path, record.to_json())


def _process_start(pid: int) -> Optional[int]:
  """Start of a process in ticks since boot, or None if it has ended.

  A zombie has ended: it was killed, and its parent has not looked yet.
  """
  try:
    with open(f'/proc/{pid}/stat', 'rb') as file:
      # The name, in parentheses, may hold anything, blanks included.
      fields = file.read().rpartition(b')')[2].split()
  except (FileNotFoundError, ProcessLookupError):
    return None
  state, start = fields[0], fields[19]  # Fields 3 and 22 of proc(5).
  return None if state in (b'Z', b'X', b'x') else int(start)
