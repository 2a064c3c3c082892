"""Waiting for a server that may not be there yet, or not any more."""

import math
import time
from typing import Callable

from absl import logging

from apex_tf import formatting as fmt


class NoAnswerError(ConnectionError):
  """A server does not answer, or not as it should; says which and for how
  long it was waited for."""


class Patience:
  """How long a role waits for a server that does not answer.

  Attributes:
    seconds: at most, infinite where something else sees to an end.
  """

  def __init__(self, seconds: float = math.inf,
               clock: Callable[[], float] = time.monotonic):
    self.seconds = seconds
    self.clock = clock


# Of roles whose launcher sees to an end.
ENDLESS = Patience()


class Wait:
  """One wait for one server, with a word at its beginning."""

  def __init__(self, server: str, patience: Patience):
    """Begins when the first attempt fails.

    Args:
      server: what it is and where, such as "replay at host:1234".
      patience: with it.
    """
    self._server = server
    self._patience = patience
    self._since = math.nan

  def note(self, error: object) -> None:
    """Takes note of an attempt that failed.

    Raises:
      NoAnswerError: when it has waited long enough.
    """
    now = self._patience.clock()
    limit = self._patience.seconds
    at_most = (f', {fmt.duration(limit)} at most' if math.isfinite(limit)
               else '')
    if math.isnan(self._since):
      self._since = now
      logging.warning('Waiting for %s%s: %s', self._server, at_most,
                      error or 'no answer')
    if now - self._since >= limit:
      raise NoAnswerError(
          f'{self._server} has not answered for {fmt.duration(limit)}')

  def note_answer(self) -> None:
    """It has answered: the next wait is another."""
    self._since = math.nan
