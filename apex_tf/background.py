"""Work that goes on beside a role's main loop."""

import threading
from typing import Callable

from absl import logging


class PeriodicTask:
  """Calls a function every so often in a thread, whatever it raises.

  A failed call is logged and tried again at the next period: the callers are
  reports and measurements, which a run outlives.
  """

  def __init__(self, function: Callable[[], object], period_seconds: float,
               name: str):
    """Starts the thread; the first call comes after one period."""
    self._function = function
    self._period_seconds = period_seconds
    self._stop = threading.Event()
    self._thread = threading.Thread(target=self._run, name=name, daemon=True)
    self._thread.start()

  def _run(self) -> None:
    failing = False
    while not self._stop.wait(self._period_seconds):
      try:
        self._function()
        failing = False
      except Exception as error:  # pylint: disable=broad-except
        if not failing:
          logging.warning('%s: %s (trying again)', self._thread.name, error)
        failing = True

  def stop(self, timeout_seconds: float = 2.0) -> None:
    """Ends the thread, waiting for a call under way at most this long."""
    self._stop.set()
    self._thread.join(timeout_seconds)
