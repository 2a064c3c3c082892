"""Processes that are measured, and the few words they are told.

A worker sets up, says so in one line, and then waits. Each line that it is
sent has a task and a number of seconds: it works for so long, and answers
with one line of JSON, what it has counted. Between the lines it does nothing,
so that another can be measured.

It imports the standard library only, since peers run under an interpreter
that has neither TensorFlow 2.8 nor this package installed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

# What one window of measurement counted; every worker tells its "seconds".
Window = Dict[str, float]

_PATIENCE_SECONDS = 1800.0


class WorkerError(RuntimeError):
  """A worker ended before it answered."""


class Worker:
  """A process that is measured, seen from the outside."""

  def __init__(self, command: Sequence[str],
               environment: Optional[Mapping[str, str]] = None):
    """Starts it and waits until it is ready.

    Args:
      command: of a program that calls `serve`.
      environment: variables beside those of this process.

    Raises:
      WorkerError: it ended instead; has the end of what it printed.
    """
    self._command = list(command)
    # Seen only where it fails.
    self._errors = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
    self._process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=self._errors, text=True,
        env={**os.environ, **(environment or {})})
    self.description: Dict[str, Any] = self._read()

  def measure(self, task: str, seconds: float) -> Window:
    """Has it work for some seconds.

    Args:
      task: one of those that the worker knows.
      seconds: about how long.

    Raises:
      WorkerError: it ended instead.
    """
    assert self._process.stdin is not None
    try:
      self._process.stdin.write(json.dumps([task, seconds]) + '\n')
      self._process.stdin.flush()
    except BrokenPipeError:
      pass  # `_read` says why.
    return self._read()

  def close(self) -> None:
    """Ends it."""
    assert self._process.stdin is not None
    try:
      self._process.stdin.close()
      self._process.wait(30)
    except (BrokenPipeError, subprocess.TimeoutExpired):
      self._process.kill()
      self._process.wait()
    self._errors.close()

  def __enter__(self) -> 'Worker':
    return self

  def __exit__(self, *unused_arguments: Any) -> None:
    self.close()

  def _read(self) -> Dict[str, Any]:
    assert self._process.stdout is not None
    line = self._process.stdout.readline()
    if not line:
      code = self._process.wait()
      self._errors.seek(0)
      said = self._errors.read().decode(errors='replace')[-3000:]
      raise WorkerError(
          f'{" ".join(self._command)} ended with exit code {code}:\n{said}')
    return json.loads(line)


def serve(tasks: Mapping[str, Callable[[float], Window]],
          description: Optional[Mapping[str, Any]] = None) -> None:
  """The worker's side: works as it is told until its standard input ends.

  Args:
    tasks: each works for about so many seconds and returns its counts.
    description: of what was set up.
  """
  # What libraries print must not come between the answers.
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)

  def answer(value: Mapping[str, Any]) -> None:
    answers.write(json.dumps(value) + '\n')
    answers.flush()

  answer(description or {})
  for line in sys.stdin:
    task, seconds = json.loads(line)
    answer(tasks[task](seconds))


def count(step: Callable[[], float], seconds: float,
          cpu_seconds: Mapping[str, Callable[[], float]]) -> Window:
  """Repeats something for some seconds.

  Args:
    step: does it once; returns how many it did.
    seconds: after which no further one is begun.
    cpu_seconds: clocks of processes that have a part in it, by name.

  Returns:
    "seconds" that it took, the "count", and what each clock has advanced.
  """
  clocks = {name: clock() for name, clock in cpu_seconds.items()}
  start = time.monotonic()
  total = 0.0
  while time.monotonic() - start < seconds:
    total += step()
  took = time.monotonic() - start
  return {'seconds': took, 'count': total, **{
      name: clock() - clocks[name] for name, clock in cpu_seconds.items()}}
