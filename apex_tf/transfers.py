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

from acme import core

from apex_tf import variables

# Of a server at a time: enough to keep its line busy.
MAX_TRANSFERS = 8
# For a whole version to arrive. A turn that was not given back ends then.
TRANSFER_SECONDS = 20.0
# Between two attempts to get a turn, on average.
_RETRY_SECONDS = 0.25


class Turns:
  """The server's side. Thread safe."""

  def __init__(self, clock: Callable[[], float] = time.monotonic):
    """Args: seconds, never going back."""
    self._clock = clock
    self._lock = threading.Lock()
    self._ends: Dict[str, float] = {}

  def begin_transfer(self) -> str:
    """A turn, to be given back to `end_transfer`; "" when all are taken."""
    with self._lock:
      now = self._clock()
      self._ends = {turn: end for turn, end in self._ends.items() if end > now}
      if len(self._ends) >= MAX_TRANSFERS:
        return ''
      turn = uuid.uuid4().hex
      self._ends[turn] = now + TRANSFER_SECONDS
      return turn

  def end_transfer(self, turn: str) -> None:
    """Gives a turn back."""
    with self._lock:
      self._ends.pop(turn, None)


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

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """As `VariablePublisher.get_variables`; a whole version when it may.

    Raises:
      Exception: whatever the server raises.
    """
    if variables.POLICY not in names:
      return self._server.get_variables(names)
    turn = self._server.begin_transfer()
    while not turn:
      self._sleep(_RETRY_SECONDS * random.uniform(0.5, 1.5))
      turn = self._server.begin_transfer()
    try:
      return self._transfer.get_variables(names)
    finally:
      self._server.end_transfer(turn)
