"""Which learner a replay server belongs to: a lease, in a table of its own.

Two learners would take each other's samples for their own, and write each
other's priorities. The table holds one item, the newest renewal of whoever has
the lease: `owner` and `incarnation`, see `leases.Holder`, and how often it was
renewed. Clocks of different machines are not compared: who wants a lease that
another has looks whether it is renewed meanwhile.
"""

from concurrent import futures
import threading
import time
from typing import Callable, NamedTuple, Optional, TypeVar

from absl import logging
import numpy as np
import reverb
from reverb import reverb_types

from apex_tf import leases
from apex_tf import waiting
from apex_tf.replay import layout
from apex_tf.replay import tables

TABLE = 'learner'

RENEWAL_SECONDS = 2.0
# For one call of a server.
_CALL_SECONDS = 5.0
# A look that took so long says nothing of how old a lease is.
_SLOW_SECONDS = 1.0

_T = TypeVar('_T')


class _Renewal(NamedTuple):
  holder: leases.Holder
  number: int


def make_table() -> reverb.Table:
  """Holds the newest renewal."""
  return reverb.Table(
      TABLE, sampler=reverb.selectors.Fifo(), remover=reverb.selectors.Fifo(),
      max_size=1, rate_limiter=reverb.rate_limiters.MinSize(1))


class LearnerLease:
  """This learner's lease of one replay server."""

  def __init__(self, address: str, holder: leases.Holder,
               expected: Optional[reverb_types.TableInfo] = None):
    """Initializes a lease that is not taken.

    Args:
      address: `host:port` of the server.
      holder: who this learner is.
      expected: its table of transitions by this learner's configuration; None
        where that is not looked at.
    """
    self.address = address
    self._client = reverb.Client(address)
    self._holder = holder
    self._expected = expected
    self._count = 0

  def take(self, stop: threading.Event, patience: waiting.Patience) -> bool:
    """Waits for the server, and takes the lease.

    Args:
      stop: ends the wait.
      patience: with a server that does not answer.

    Returns:
      Whether it is taken; otherwise `stop` is set.

    Raises:
      waiting.NoAnswerError: nobody answers, or not a replay server.
      leases.RefusedError: another learner has it, and renews it; or it is of
        another configuration.
    """
    wait = waiting.Wait(f'replay at {self.address}', patience)
    seen: Optional[_Renewal] = None
    seen_at = 0.0
    while not stop.is_set():
      start = time.monotonic()
      try:
        found = self._read()
        if found is None or found.holder.owner == self._holder.owner or (
            found == seen and start - seen_at > leases.LEASE_SECONDS):
          self._write()
          return True
      except NotImplementedError as error:  # As of the learner's own port.
        raise waiting.NoAnswerError(
            f'{self.address} answers, but not as a replay server does: is it '
            'the right port?') from error
      except (reverb.DeadlineExceededError, RuntimeError) as error:
        wait.note(error)
        seen = None  # It may have been renewed and not been seen to be.
        stop.wait(0.5)
        continue
      if seen is None:
        logging.warning('Replay at %s is held by the learner of %s: waiting '
                        'whether that is there.', self.address,
                        found.holder.owner)
      elif found != seen:
        raise leases.RefusedError(
            f'the replay at {self.address} has a learner, which is at work: '
            f'{found.holder.owner}')
      # A server that is slow, writing a checkpoint, takes no renewals either.
      if found != seen or time.monotonic() - start > _SLOW_SECONDS:
        seen, seen_at = found, time.monotonic()
      stop.wait(RENEWAL_SECONDS / 2)
    return False

  def renew(self) -> None:
    """Renews the lease; to be called every `RENEWAL_SECONDS`.

    Raises:
      waiting.NoAnswerError: it is another server by now.
      leases.RefusedError: another learner has taken it; or it was started again
        with another configuration.
      reverb.DeadlineExceededError: the server does not answer.
      RuntimeError: likewise.
    """
    found = self._read()
    if found is not None and found.holder != self._holder:
      raise leases.RefusedError(
          f'the replay at {self.address} has another learner by now: '
          f'{found.holder.owner}')
    self._write()

  def give_back(self) -> None:
    """Ends the lease at once, if this learner has it and the server answers."""
    try:
      found = self._read()
      if found is not None and found.holder == self._holder:
        _within(_CALL_SECONDS, lambda: self._client.reset(TABLE))
    except (reverb.DeadlineExceededError, RuntimeError) as error:
      logging.info('The replay at %s is not given back: %s', self.address,
                   error)

  def _read(self) -> Optional[_Renewal]:
    """The newest renewal, or None of a server that nobody has leased."""
    info = self._client.server_info(timeout=5)
    if TABLE not in info:
      raise waiting.NoAnswerError(
          f'{self.address} has other tables: is it the right port?')
    different = self._expected and tables.difference(
        info[layout.TABLE], self._expected)
    if different:
      raise leases.RefusedError(f'the replay at {self.address} is of another '
                                f'configuration: {different}')
    if not info[TABLE].current_size:
      return None
    # It waits for an item, should there be none any more.
    (step,), = _within(_CALL_SECONDS,
                       lambda: list(self._client.sample(TABLE, 1)))
    owner, incarnation, count = step.data
    return _Renewal(
        leases.Holder(owner.tobytes().decode(), incarnation.tobytes().decode()),
        int(count))

  def _write(self) -> None:
    self._count += 1
    data = [*(np.frombuffer(text.encode(), np.uint8) for text in self._holder),
            np.int64(self._count)]
    _within(_CALL_SECONDS, lambda: self._client.insert(data, {TABLE: 1.0}))


def _within(seconds: float, call: Callable[[], _T]) -> _T:
  """What a call returns that knows no time limit of its own.

  Raises:
    RuntimeError: it has not returned in time.
    Exception: that of the call.
  """
  done: futures.Future[_T] = futures.Future()

  def run() -> None:
    try:
      done.set_result(call())
    except BaseException as error:  # pylint: disable=broad-except
      done.set_exception(error)

  threading.Thread(target=run, daemon=True).start()
  try:
    return done.result(seconds)
  except futures.TimeoutError as error:
    raise RuntimeError(f'no answer within {seconds:g} s') from error
