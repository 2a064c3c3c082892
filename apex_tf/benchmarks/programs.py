"""Whole runs that are measured, and stopped while others are."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, List, Optional, Sequence

import psutil

from apex_tf.benchmarks import workers
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib

_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.1
# After a pause buffers are full; and the first evaluation is to be over.
_SETTLE_SECONDS = 3.0
# The status is written once a second.
_LEAST_SECONDS = 2.0
_ROOT = pathlib.Path(__file__).resolve().parents[2]
# Nothing of a run is to end it but the benchmark, and little is to be
# evaluated; later flags win.
_FLAGS = (
    '--resume=never',
    '--config.run.target_return=inf',
    '--config.run.max_minutes=inf',
    '--config.evaluator.period_seconds=100000',
    # There is one, when learning begins.
    '--config.evaluator.episodes=1',
    '--config.evaluator.num_environments=1',
    '--config.evaluator.max_seconds=1',
)


class Program:
  """A `launch.train` in a session of its own, in a directory of its own."""

  def __init__(self, preset: str, *flags: str):
    """Starts it; does not wait.

    Args:
      preset: path of a file in `configs`.
      *flags: of `launch.train`.
    """
    self._root = tempfile.TemporaryDirectory(prefix='benchmark_')
    workdir = os.path.join(self._root.name, 'run')
    self._directory = run_directory.RunDirectory(workdir)
    # pylint: disable-next=consider-using-with
    self._output = tempfile.TemporaryFile()
    self._started_at = time.time()
    self._process = subprocess.Popen(
        [sys.executable, '-m', 'launch.train', f'--config={preset}',
         f'--workdir={workdir}', *_FLAGS, *flags],
        cwd=_ROOT, stdout=self._output, stderr=subprocess.STDOUT,
        start_new_session=True)
    self._is_paused = False

  def wait_for_learning(self) -> float:
    """Waits for the first learner step.

    Returns:
      Seconds from the command to it.

    Raises:
      workers.WorkerError: it ended instead, or there was none.
    """
    status = self._wait_for(lambda status: status.learner_steps > 0)
    written_at = os.stat(self._directory.status_file).st_mtime
    return written_at - status.learning_seconds - self._started_at

  def wait_for_acting(self, num_actors: int) -> None:
    """Waits until so many actors have reported steps.

    Raises:
      workers.WorkerError: it ended instead, or they did not.
    """
    self._wait_for(lambda status: sum(
        report.agent_steps > 0 for report in status.actors.values()
    ) >= num_actors)

  def measure(self, seconds: float) -> workers.Window:
    """Lets it run for some seconds, and some more before; then pauses it.

    Returns:
      "seconds", "transitions" of all actors, "learner_steps".
    """
    self._resume()
    time.sleep(_SETTLE_SECONDS)
    before = after = self._status()
    while after.wall_seconds - before.wall_seconds < max(
        seconds, _LEAST_SECONDS):
      time.sleep(_POLL_SECONDS)
      after = self._status()
    self.pause()
    return {
        'seconds': after.wall_seconds - before.wall_seconds,
        'transitions': float(after.agent_steps - before.agent_steps),
        'learner_steps': float(after.learner_steps - before.learner_steps),
    }

  def pause(self) -> None:
    """Stops all its processes until it is measured again."""
    self._signal(signal.SIGSTOP)
    self._is_paused = True

  def close(self) -> None:
    """Ends it at once, and removes what it wrote."""
    while processes := self._processes():  # Who was just started, too.
      self._signal(signal.SIGKILL)
      psutil.wait_procs(processes, timeout=1.0)
    self._process.wait()
    self._output.close()
    self._root.cleanup()

  def __enter__(self) -> 'Program':
    return self

  def __exit__(self, *unused_arguments: Any) -> None:
    self.close()

  def _resume(self) -> None:
    if self._is_paused:
      self._signal(signal.SIGCONT)
      self._is_paused = False

  def _status(self) -> status_lib.RunStatus:
    status = self._directory.read_status()
    if status is None or self._process.poll() is not None:
      raise self._failure()
    return status

  def _wait_for(self, condition: Any) -> status_lib.RunStatus:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and self._process.poll() is None:
      status: Optional[status_lib.RunStatus] = self._directory.read_status()
      if status is not None and condition(status):
        return status
      time.sleep(_POLL_SECONDS)
    raise self._failure()

  def _failure(self) -> workers.WorkerError:
    self._output.seek(0)
    said = self._output.read().decode(errors='replace')[-3000:]
    return workers.WorkerError(
        f'A run did not get on (exit code {self._process.poll()}):\n{said}')

  def _processes(self) -> List[psutil.Process]:
    found = []
    for process in psutil.process_iter():
      try:
        if os.getsid(process.pid) == self._process.pid and (
            process.status() != psutil.STATUS_ZOMBIE):
          found.append(process)
      except (ProcessLookupError, psutil.NoSuchProcess):
        continue
    return found

  def _signal(self, number: signal.Signals) -> None:
    for process in self._processes():
      try:
        process.send_signal(number)
      except psutil.NoSuchProcess:
        continue


def flags_of(fields: Dict[str, Any]) -> Sequence[str]:
  """Flags of `launch.train` for fields of the configuration."""
  return [f'--config.{name}={value}' for name, value in fields.items()]
