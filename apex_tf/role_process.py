"""A role at work, with its start and its end on record."""

import contextlib
import os
import sys
import threading
from typing import Any, Callable

from absl import logging

from apex_tf import leases
from apex_tf import supervisor
from apex_tf import waiting
from apex_tf.monitoring import run_directory

# Between two attempts to write that a role runs.
_RETRY_SECONDS = 2.0


def run(role: str, directory: run_directory.RunDirectory,
        work: Callable[[], Any], stop: threading.Event,
        end: Callable[[int], None]) -> None:
  """Does a role's work, and writes down how it ended.

  Launchpad notices that a node failed, but not which one nor why.

  Args:
    role: its name in the run directory, such as "actor_3".
    directory: of the run, or of this role alone.
    work: until it is done, or `stop` is set; what it returns is held until the
      process has ended, which need not free it.
    stop: set where the role is told to stop.
    end: ends the process with an exit code, if it is the role's own: one that
      `supervisor` knows.

  Raises:
    BaseException: that of `work`, unless `end` does not return.
  """
  start = _StartRecord(directory, role)
  try:
    kept = work()
  except BaseException as error:
    if isinstance(error, (leases.RefusedError, waiting.NoAnswerError)):
      logging.error('%s failed: %s', role, error)  # Where does not matter.
    else:
      logging.exception('%s failed.', role)
    start.close()
    directory.record_failure(role, f'{type(error).__name__}: {error}')
    # Numbers that are not finite come of the data or the settings, and would
    # come again.
    end(supervisor.BEYOND_REPAIR if isinstance(error, FloatingPointError)
        else 1)
    raise
  told_to_stop = stop.is_set()
  start.close()
  directory.record_stop(role)
  end(supervisor.TOLD_TO_STOP if told_to_stop else 0)
  del kept


def end(exit_code: int) -> None:
  """Ends this process, without taking it apart.

  Millions of items are freed, and threads in TensorFlow and Reverb joined, in
  more time than Launchpad or a cluster gives a role to stop.
  """
  with contextlib.suppress(OSError):  # Of a disk that is full.
    logging.flush()
    sys.stdout.flush()
  os._exit(exit_code)  # pylint: disable=protected-access


class _StartRecord:
  """The record that a role runs, written as soon as the disk takes it."""

  def __init__(self, directory: run_directory.RunDirectory, role: str):
    """Writes it now, or else from a thread that tries until `close`."""
    self._directory = directory
    self._role = role
    self._over = threading.Event()
    self._thread = threading.Thread(target=self._retry, daemon=True)
    if not directory.record_start(role):
      self._thread.start()

  def close(self) -> None:
    """From now on it is not written; a later record stays."""
    self._over.set()
    if self._thread.is_alive():
      self._thread.join()

  def _retry(self) -> None:
    while not self._over.wait(_RETRY_SECONDS):
      if self._directory.record_start(self._role):
        return
