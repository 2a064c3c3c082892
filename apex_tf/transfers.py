"""Turns at a server of variables: a few at a time get a whole version.

A version of the paper's network is 13 MB. Hundreds of actors that fetch at once
would all be sent theirs side by side, each so slowly that it gives up before it
has everything, and asks again; and what is being sent is in the server's memory
(docs/performance.md has the figures). So whoever finds that there is a newer
version asks for a turn first.
"""

import random
import threading
import time
from typing import Any, Callable, Dict, List, Sequence
import uuid

from absl import logging
from acme import core

from apex_tf import variables

# Of a server at a time: enough to keep its line busy.
MAX_TRANSFERS = 8
# For a whole version to arrive. A turn that was not given back ends then.
TRANSFER_SECONDS = 20.0
# Between two attempts to get a turn, on average.
_RETRY_SECONDS = 0.25
# Then whoever waits is told, and may ask again: some five seconds.
_MAX_ATTEMPTS = 20


class BusyError(Exception):
  """All turns were taken for too long."""


class Turns:
  """The server's side. Thread safe."""

  def __init__(self, clock: Callable[[], float] = time.monotonic):
    """Args: seconds, never going back."""
    self._clock = clock
    self._lock = threading.Lock()
    self._ends: Dict[str, float] = {}

  def begin_transfer(self, client: str) -> bool:
    """Whether it is this client's turn, until it calls `end_transfer`."""
    with self._lock:
      now = self._clock()
      self._ends = {each: end for each, end in self._ends.items() if end > now}
      if client not in self._ends and len(self._ends) >= MAX_TRANSFERS:
        return False
      self._ends[client] = now + TRANSFER_SECONDS
      return True

  def end_transfer(self, client: str) -> None:
    """Gives a turn back."""
    with self._lock:
      self._ends.pop(client, None)


class TurnTaker(core.VariableSource):
  """The client's side: a source that waits for its turn.

  What is not a whole version, such as its number, is asked for at once.
  """

  def __init__(self, server: Any, transfer: Any,
               sleep: Callable[[float], None] = time.sleep):
    """Initializes a source.

    Args:
      server: with the methods of `Turns` and `VariableSource`, or a client of
        it.
      transfer: the same server by a client that gives `TRANSFER_SECONDS` to
        `get_variables`.
      sleep: waits for so many seconds.
    """
    self._server = server
    self._transfer = transfer
    self._sleep = sleep
    self._name = uuid.uuid4().hex

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """As `VariablePublisher.get_variables`; a whole version when it may.

    Raises:
      BusyError: it had no turn in time.
      Exception: whatever the server raises.
    """
    if variables.POLICY not in names:
      return self._server.get_variables(names)
    for _ in range(_MAX_ATTEMPTS):
      if self._server.begin_transfer(self._name):
        break
      self._sleep(_RETRY_SECONDS * random.uniform(0.5, 1.5))
    else:
      raise BusyError('the server of variables is busy with others')
    try:
      return self._transfer.get_variables(names)
    finally:
      try:
        self._server.end_transfer(self._name)
      except Exception as error:  # pylint: disable=broad-except
        logging.info('A turn is not given back: %s', error)  # It ends.
