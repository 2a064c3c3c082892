"""Runs a role's process, and runs it again when it dies.

Launchpad stops a whole program when one of its processes fails. So what it
starts for a node is this small supervisor, which starts the node's own command
and starts it again, within limits, when it fails or is killed:

  launcher -> supervisor -> role      one supervisor for each role

It imports the standard library only, since there is one for each role: it is
up in milliseconds and takes 13 MB.
"""

import argparse
import ctypes
import dataclasses
import os
import shlex
import signal
import sys
import time
from typing import Collection, NoReturn, Optional, Sequence

from apex_tf import files
from apex_tf import restart_budget
from apex_tf.monitoring import role_records

# With which a role ends that was told to stop, as a shell says it of SIGTERM.
# Its supervisor knows whether the run is to stop, or somebody meant the role.
TOLD_TO_STOP = 128 + signal.SIGTERM

# With which a role ends whose failure would come again.
BEYOND_REPAIR = 3

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 1.0
# Signals by which a process that is at fault itself ends.
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL,
            signal.SIGFPE)


def die_with_parent(parent: int, number: signal.Signals) -> bool:
  """Has this process sent a signal when its parent ends.

  Args:
    parent: process that is to be the parent.
    number: of the signal.

  Returns:
    Whether the parent was there; otherwise no signal will come.
  """
  # Of the thread that started this process, which is the main one for all.
  ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
  return os.getppid() == parent


class _TimeSpec(ctypes.Structure):
  _fields_ = (('seconds', ctypes.c_long), ('nanoseconds', ctypes.c_long))


def wait_for_signal(numbers: Collection[int], seconds: float) -> Optional[int]:
  """Waits for one of several signals, which are blocked.

  Not `signal.sigtimedwait`: in a process that was stopped (Ctrl-Z) and goes on
  after its time, it returns a signal that nobody has sent (CPython 3.10).

  Args:
    numbers: of the signals.
    seconds: to wait at most.

  Returns:
    The signal's number, or None; None also where the wait was interrupted.
  """
  libc = ctypes.CDLL(None)
  wanted = ctypes.create_string_buffer(128)  # A sigset_t.
  libc.sigemptyset(wanted)
  for number in numbers:
    libc.sigaddset(wanted, int(number))
  whole = int(seconds)
  timeout = _TimeSpec(whole, int(1e9 * (seconds - whole)))
  number = libc.sigtimedwait(wanted, None, ctypes.byref(timeout))
  return number if number > 0 else None


class Supervisor:
  """Runs one role until it has ended as it should, or is given up."""

  def __init__(self, command: Sequence[str], role: str, roles_directory: str,
               limits: restart_budget.Limits, parent: int):
    """Starts nothing yet.

    Args:
      command: of the role, the executable's path first.
      role: its name in the run directory, such as "actor_3".
      roles_directory: of the role records.
      limits: of the restarts.
      parent: process of the launcher; where it ends, so does the role.
    """
    self._command = list(command)
    self._role = role
    self._record_file = os.path.join(
        roles_directory, role_records.file_name(role))
    self._limits = limits
    self._parent = parent
    self._budget = restart_budget.RestartBudget(limits)
    self._signals = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    self._restarts = 0
    self._stopping = False
    self._orphaned_at: Optional[float] = None

  def run(self) -> int:
    """Runs the role, as often as it takes.

    Returns:
      The exit code: 0 where the role has ended or was to stop, else 1.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # From now on they are waited for, and none is lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
    if not die_with_parent(self._parent, signal.SIGTERM):
      return 1
    while True:
      start = time.monotonic()
      child = self._start()
      code = self._wait(child)
      if code == 0 or self._stopping:
        self._note_end(child)
        return 0
      death = self._death(child, code, time.monotonic() - start)
      backoff = self._budget.backoff_after(death, time.monotonic())
      if backoff is None:
        verdict = self._budget.verdict()
        self._record(role_records.FAILED, verdict)
        self._say(f'given up: {verdict}')
        return 1
      self._restarts += 1
      self._record(role_records.RESTARTING, death.reason)
      self._say(f'{death.reason} after {death.lived_seconds:.1f} s; restart '
                f'{self._restarts} in {backoff:g} s')
      if self._stopped_within(backoff):
        self._record(role_records.STOPPED, '')
        return 0

  def _start(self) -> int:
    """Starts the role's process; its id."""
    supervisor = os.getpid()
    sys.stdout.flush()
    child = os.fork()
    if not child:
      self._become_role(supervisor)
    return child

  def _become_role(self, supervisor: int) -> NoReturn:
    """Replaces this process, just forked, by the role's."""
    try:
      # Without mercy: who kills a supervisor gets the role killed.
      if not die_with_parent(supervisor, signal.SIGKILL):
        os._exit(1)  # pylint: disable=protected-access
      for number in (signal.SIGPIPE, signal.SIGXFSZ):  # As Python found them.
        signal.signal(number, signal.SIG_DFL)
      signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals)
      os.execve(self._command[0], self._command, {
          **os.environ, role_records.RESTARTS_VARIABLE: str(self._restarts)})
    except BaseException as error:  # pylint: disable=broad-except
      self._say(f'{self._command[0]}: {error}')
    finally:
      os._exit(127)  # pylint: disable=protected-access

  def _wait(self, child: int) -> int:
    """Waits for a child's end, passing on what is to stop it.

    Returns:
      Its exit code, or -n where signal n has killed it.
    """
    while True:
      self._take_signals(_POLL_SECONDS, child)
      ended, status = os.waitpid(child, os.WNOHANG)
      if ended:
        return os.waitstatus_to_exitcode(status)
      if self._orphaned_at is not None and (
          time.monotonic() - self._orphaned_at > self._limits.orphan_seconds):
        os.kill(child, signal.SIGKILL)

  def _take_signals(self, seconds: float, child: Optional[int]) -> None:
    """Waits for one signal at most this long; what it means for the role."""
    stop = wait_for_signal(self._signals, seconds) in (
        signal.SIGTERM, signal.SIGINT)
    # Also looked at, since the signal comes of a thread of the launcher.
    if self._orphaned_at is None and os.getppid() != self._parent:
      self._orphaned_at = time.monotonic()
      stop = True
    if stop:
      self._stopping = True
      if child is not None:  # Not yet waited for: it is nobody else's id.
        # Ctrl-C has reached the role by itself; a second SIGINT would kill it.
        os.kill(child, signal.SIGTERM)

  def _stopped_within(self, seconds: float) -> bool:
    """Waits, unless the role is to stop meanwhile."""
    deadline = time.monotonic() + seconds
    while not self._stopping:
      left = deadline - time.monotonic()
      if left <= 0:
        return False
      self._take_signals(min(left, _POLL_SECONDS), None)
    return True

  def _death(self, child: int, code: int,
             lived_seconds: float) -> restart_budget.Death:
    if code < 0:
      name = signal.Signals(-code).name
      return restart_budget.Death(
          f'killed by {name}', -code in _CRASHES, lived_seconds)
    if code == TOLD_TO_STOP:
      return restart_budget.Death(
          'told to stop by a signal', False, lived_seconds)
    record = role_records.read(self._record_file)
    reason = f'exit code {code}'
    if record is not None and record.pid == child and record.reason:
      reason = ' '.join(record.reason.split())
    return restart_budget.Death(
        reason, True, lived_seconds, code == BEYOND_REPAIR)

  def _note_end(self, child: int) -> None:
    """Says of a role that was stopped before it could say so itself."""
    record = role_records.read(self._record_file)
    if record is not None and record.pid in (child, os.getpid()) and (
        record.state in (role_records.RUNNING, role_records.RESTARTING)):
      self._record(role_records.STOPPED, '')

  def _record(self, state: str, reason: str) -> None:
    record = dataclasses.replace(
        role_records.RoleRecord.of_this_process(self._role, state, reason),
        restarts=self._restarts)
    try:
      role_records.write(self._record_file, record)
    except OSError as error:  # A full disk is no reason to stop a role.
      self._say(f'{self._record_file}: {error}')

  def _say(self, text: str) -> None:
    """Writes a line into the role's log."""
    now = time.strftime('%H:%M:%S')
    try:
      os.write(2, f'[{now} supervisor] {self._role}: {text}\n'.encode())
    except OSError:
      pass


def write_interpreter(path: str, role: str, roles_directory: str,
                      max_restarts: int) -> None:
  """Writes an executable that supervises what this interpreter would run.

  It is to be started by this process.

  Args:
    path: of the file; what is there is replaced.
    role: name of the role; in a group of many with "{}" for the index, which
      is that of Launchpad's flag `--lp_task_id`.
    roles_directory: of the role records.
    max_restarts: of a role in an hour.
  """
  root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
  # Neither site-packages nor the environment: the standard library only.
  arguments = [
      sys.executable, '-I', '-S', '-c',
      f'import sys; sys.path.insert(0, {root!r}); '
      'from apex_tf import supervisor; sys.exit(supervisor.main())',
      f'--role={role}', f'--roles_directory={roles_directory}',
      f'--max_restarts={max_restarts}', f'--parent={os.getpid()}', '--',
      sys.executable,
  ]
  # A shell, since the path of an interpreter may be too long for "#!".
  files.replace_file(
      path, f'#!/bin/sh\nexec {shlex.join(arguments)} "$@"\n', mode=0o700)


def main() -> int:
  """Supervises the command on the command line; the exit code."""
  parser = argparse.ArgumentParser('supervisor')
  parser.add_argument('--role', required=True)
  parser.add_argument('--roles_directory', required=True)
  parser.add_argument('--max_restarts', type=int, required=True)
  parser.add_argument('--parent', type=int, required=True)
  parser.add_argument('command', nargs='+')
  args = parser.parse_args()
  role = args.role
  if '{}' in role:
    role = role.format(args.command[args.command.index('--lp_task_id') + 1])
  return Supervisor(
      args.command, role, args.roles_directory,
      restart_budget.Limits(max_restarts=args.max_restarts), args.parent).run()
