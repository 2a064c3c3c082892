"""Roles as an engine of a cluster starts them: their own commands."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Sequence

from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from tests.integration import programs

# Eight roles import TensorFlow, perhaps while others use the machine.
PATIENCE_SECONDS = 400.0
# What a role may need to print the stacks of its threads.
_STACKS_SECONDS = 5.0


class Role:
  """One command, from a shell of its own."""

  def __init__(self, name: str, command: Sequence[str], log: pathlib.Path,
               environment: Optional[Dict[str, str]] = None):
    """Starts it.

    Args:
      name: of the role.
      command: with its arguments.
      log: file for all that it prints.
      environment: variables beside those of this process.
    """
    self.name = name
    self._log = log
    with open(log, 'a', encoding='utf-8') as file:
      self._process = subprocess.Popen(
          command, cwd=programs.ROOT, stdout=file, stderr=subprocess.STDOUT,
          start_new_session=True, env={
              **programs.shell_environment(), 'TF_CPP_MIN_LOG_LEVEL': '2',
              'PYTHONFAULTHANDLER': '1', 'PYTHONPATH': str(programs.ROOT),
              **(environment or {})})
    self.pid = self._process.pid
    self._may_fail = False

  @property
  def output(self) -> str:
    """All that it has printed."""
    return self._log.read_text()

  def runs(self) -> bool:
    """Whether it has not ended."""
    return self._process.poll() is None

  def failed(self) -> bool:
    """Whether it has ended with an error that no test has asked for."""
    return not self._may_fail and self._process.poll() not in (None, 0)

  def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
    """Waits for its end; the exit code."""
    self._may_fail = True
    return self._process.wait(seconds)

  def kill(self, number: int = signal.SIGKILL) -> None:
    """Sends all its processes a signal, if there are any."""
    self._may_fail = True
    try:
      os.killpg(self.pid, number)
    except ProcessLookupError:
      pass

  def terminate(self) -> int:
    """As an engine ends it; the exit code."""
    self.kill(signal.SIGTERM)
    return self.wait()


class Cluster:
  """The roles of one run, each with a directory of its own."""

  def __init__(self, path: pathlib.Path, flags: Sequence[str] = programs.SMALL):
    """Starts nothing.

    Args:
      path: for their directories and logs.
      flags: that all of them are given.
    """
    self.path = path
    self._flags = [f'--config={programs.ROOT}/configs/cartpole.py', *flags]
    self._roles: List[Role] = []

  def start(self, module: str, *flags: str, name: str = '',
            before: Sequence[str] = (),
            environment: Optional[Dict[str, str]] = None) -> Role:
    """Starts a role.

    Args:
      module: of `launch`, such as "actor".
      *flags: of that command.
      name: of its directory and log; by default the module's.
      before: command in front of it, such as one that enters another host.
      environment: variables beside those of this process.
    """
    name = name or module
    role = Role(name, [
        *before, sys.executable, '-m', f'launch.{module}', *self._flags,
        f'--workdir={self.path / name}', *flags],
                self.path / f'{name}.log', environment)
    self._roles.append(role)
    return role

  def status(self) -> status_lib.RunStatus:
    """Of the run, as its learner has written it."""
    return (run_directory.RunDirectory(str(self.path / 'learner')).read_status()
            or status_lib.RunStatus())

  def summary(self) -> Dict[str, Any]:
    return json.loads((self.path / 'learner' / 'summary.json').read_text())

  def wait_until(self, condition: Callable[[status_lib.RunStatus], Any],
                 seconds: float = PATIENCE_SECONDS) -> status_lib.RunStatus:
    """Waits until the status is as wanted; its counters never go back."""
    deadline = time.monotonic() + seconds
    last = self.status()
    while True:
      status = self.status()
      for count in ('agent_steps', 'episodes', 'learner_steps'):
        assert getattr(status, count) >= getattr(last, count), count
      last = status
      if condition(status):
        return status
      failed = [role for role in self._roles if role.failed()]
      assert not failed, _tails(failed)
      assert time.monotonic() < deadline, self._where_they_are(status)
      time.sleep(0.1)

  def _where_they_are(self, status: status_lib.RunStatus) -> str:
    """Ends the roles; the stacks of the newest one, the others are printed."""
    running = [role for role in self._roles if role.runs()]
    for role in running:
      role.kill(signal.SIGABRT)
    time.sleep(_STACKS_SECONDS)
    print(_tails(running, 20000))
    return (f'{status.phase}, learner step {status.learner_steps}, agent step '
            f'{status.agent_steps}\n{_tails(running[-1:])}')

  def close(self) -> None:
    """Ends whatever is left."""
    for role in self._roles:
      role.kill()
      role.wait()


def _tails(roles: Sequence[Role], characters: int = 3000) -> str:
  """The last of what they have printed."""
  return '\n'.join(f'=== {role.name}\n{role.output[-characters:]}'
                   for role in roles)
