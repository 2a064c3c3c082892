"""Whether a role runs, has stopped or has failed: one small record each.

Launchpad says that a node has failed, not which one, nor why. So each role
writes its own record, and a process that could not, because it was killed, is
known by a record that says "running" of a process that no longer exists.
"""

import dataclasses
import json
import os
import socket
import time
from typing import Optional

RUNNING = 'running'
STOPPED = 'stopped'
FAILED = 'failed'

VANISHED_REASON = 'the process ended without a word (killed?)'


@dataclasses.dataclass(frozen=True)
class RoleRecord:
  """What a role last wrote of itself.

  Attributes:
    role: such as "learner" or "actor_3".
    state: `RUNNING`, `STOPPED` or `FAILED`.
    reason: why it failed, otherwise "".
    pid: of its process; all roles of `local_mt` share one.
    process_start: when that process was started, in clock ticks since boot:
      tells it from a later process of the same pid.
    host: on which its pid means something.
    time: of this record, in seconds since the epoch.
  """
  role: str
  state: str
  reason: str
  pid: int
  process_start: int
  host: str
  time: float

  @classmethod
  def of_this_process(cls, role: str, state: str, reason: str) -> 'RoleRecord':
    pid = os.getpid()
    return cls(role, state, reason, pid, _process_start(pid) or 0,
               socket.gethostname(), time.time())

  def alive(self) -> bool:
    """Whether it runs, as far as this host can tell."""
    return (self.state == RUNNING and self._is_here() and
            _process_start(self.pid) == self.process_start)

  def vanished(self) -> bool:
    """Whether it should run on this host, but its process is gone."""
    return (self.state == RUNNING and self._is_here() and
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
