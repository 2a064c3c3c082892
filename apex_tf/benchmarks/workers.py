"""Processes that are measured, and the few words they are told.

A worker sets up, says so in one line, and then waits. Each line that it is
sent has a task and a number of seconds: it works for so long, and answers
with one line of JSON, what it has counted. Between the lines it does nothing,
so that another can be measured.

It imports the standard library only, since peers run under an interpreter
that has neither TensorFlow 2.8 nor this package installed.
"""

import functools
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

# What one window of measurement counted; every worker tells its "seconds".
Window = Dict[str, float]

# For an answer; to fill the largest server takes minutes.
_PATIENCE_SECONDS = 1800.0
# Names the descriptor on which a worker answers: what libraries print does not
# come between.
_ANSWERS = 'APEX_TF_BENCHMARK_ANSWERS'


class WorkerError(RuntimeError):
  """A worker ended before it answered."""


class Worker:
  """A process that is measured, seen from the outside."""

  def __init__(self, command: Sequence[str],
               environment: Optional[Mapping[str, str]] = None):
    """Starts it; several set up side by side.

    Args:
      command: of a program that calls `serve`.
      environment: variables beside those of this process.
    """
    self._command = list(command)
    # Seen only where it fails.
    # pylint: disable-next=consider-using-with
    self._printed = tempfile.TemporaryFile()
    read, write = os.pipe()
    self._answers = os.fdopen(read, encoding='utf-8')
    self._process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=self._printed,
        stderr=subprocess.STDOUT, text=True, pass_fds=(write,),
        env={**os.environ, **(environment or {}), _ANSWERS: str(write)})
    os.close(write)

  @property
  def pid(self) -> int:
    """Its process."""
    return self._process.pid

  @functools.cached_property
  def description(self) -> Dict[str, Any]:
    """What it set up; waits until it is ready.

    Raises:
      WorkerError: it ended instead; has the end of what it printed.
    """
    return self._read()

  def measure(self, task: str, seconds: float) -> Window:
    """Has it work for some seconds, once it is ready.

    Args:
      task: one of those that the worker knows.
      seconds: about how long.

    Raises:
      WorkerError: it ended instead.
    """
    _ = self.description  # Waits until it is ready.
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
    self._answers.close()
    self._printed.close()

  def __enter__(self) -> 'Worker':
    return self

  def __exit__(self, *unused_arguments: Any) -> None:
    self.close()

  def _read(self) -> Dict[str, Any]:
    # An answer is one line, and asked for one at a time: nothing is buffered.
    ready, _, _ = select.select([self._answers], [], [], _PATIENCE_SECONDS)
    line = self._answers.readline() if ready else ''
    if line:
      return json.loads(line)
    if not ready:
      self._process.kill()
    code = self._process.wait()
    self._printed.seek(0)
    printed = self._printed.read().decode(errors='replace')[-3000:]
    raise WorkerError(
        f'{" ".join(self._command)} ended with exit code {code}:\n{printed}')


def serve(tasks: Mapping[str, Callable[[float], Window]],
          description: Optional[Mapping[str, Any]] = None) -> None:
  """The worker's side: works as it is told until its standard input ends.

  Args:
    tasks: each works for about so many seconds and returns its counts.
    description: of what was set up.
  """
  answers = os.fdopen(int(os.environ[_ANSWERS]), 'w', encoding='utf-8')

  def answer(value: Mapping[str, Any]) -> None:
    answers.write(json.dumps(value) + '\n')
    answers.flush()

  answer(description or {})
  for line in sys.stdin:
    task, seconds = json.loads(line)
    answer(tasks[task](seconds))


def count(step: Callable[[], float], seconds: float,
          cpu_seconds: Mapping[str, Callable[[], float]],
          finish: Callable[[], None] = lambda: None) -> Window:
  """Repeats something for some seconds.

  Args:
    step: does it once; returns how many it did.
    seconds: after which no further one is begun.
    cpu_seconds: clocks of processes that have a part in it, by name.
    finish: ends what is still under way; its time counts.

  Returns:
    "seconds" that it took, the "count", and what each clock has advanced.
  """

  def work() -> float:
    start = time.monotonic()
    total = 0.0
    while time.monotonic() - start < seconds:
      total += step()
    finish()
    return total

  return measure(work, cpu_seconds)


def measure(work: Callable[[], float],
            cpu_seconds: Mapping[str, Callable[[], float]]) -> Window:
  """What a piece of work took.

  Args:
    work: does it; returns how many it did.
    cpu_seconds: as of `count`.

  Returns:
    As `count`.
  """
  clocks = {name: clock() for name, clock in cpu_seconds.items()}
  start = time.monotonic()
  done = work()
  took = time.monotonic() - start
  return {'seconds': took, 'count': done, **{
      name: clock() - clocks[name] for name, clock in cpu_seconds.items()}}
