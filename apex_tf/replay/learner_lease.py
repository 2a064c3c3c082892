"""Which learner a replay server belongs to: a lease, in a table of its own.

Two learners would take each other's samples for their own, and write each
other's priorities. The table holds one item, the newest renewal of whoever has
the lease: `owner` and `incarnation`, see `leases.Holder`, and how often it was
renewed. Clocks of different machines are not compared: who wants a lease that
another has looks whether it is renewed meanwhile.
"""

import threading
import time
from typing import NamedTuple, Optional

from absl import logging
import numpy as np
import reverb
from reverb import reverb_types

from apex_tf import leases
from apex_tf import waiting
from apex_tf.replay import layout

TABLE = 'learner'

RENEWAL_SECONDS = 2.0


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

  def __init__(self, address: str, holder: leases.Holder):
    """Args: `host:port` of the server, and who this learner is."""
    self.address = address
    self._client = reverb.Client(address)
    self._holder = holder
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
      leases.RefusedError: another learner has it, and renews it.
    """
    address = self.address
    wait = waiting.Wait(f'replay at {address}', patience)
    seen: Optional[_Renewal] = None
    seen_at = 0.0
    while not stop.is_set():
      try:
        found = self._read()
        if found is None or found.holder.owner == self._holder.owner or (
            found == seen and
            time.monotonic() - seen_at > leases.LEASE_SECONDS):
          self._write()
          return True
      except NotImplementedError as error:
        raise waiting.NoAnswerError(
            f'{address} answers, but not as a replay server does: is it the '
            'right port?') from error
      except (reverb.DeadlineExceededError, RuntimeError) as error:
        wait.note(error)
        stop.wait(0.5)
        continue
      if seen is None:
        logging.warning('Replay at %s is held by the learner of %s: waiting '
                        'whether that is there.', address, found.holder)
      elif found != seen:
        raise leases.RefusedError(
            f'the replay at {address} has a learner, which is at work: '
            f'{found.holder}')
      if found != seen:
        seen, seen_at = found, time.monotonic()
      stop.wait(RENEWAL_SECONDS / 2)
    return False

  def renew(self) -> None:
    """Renews the lease; to be called every `RENEWAL_SECONDS`.

    Raises:
      leases.RefusedError: another learner has taken it.
      reverb.DeadlineExceededError: the server does not answer.
      RuntimeError: likewise.
    """
    found = self._read()
    if found is not None and found.holder != self._holder:
      raise leases.RefusedError(
          f'the replay at {self.address} has another learner by now: '
          f'{found.holder}')
    self._write()

  def table_info(self) -> reverb_types.TableInfo:
    """The server's table of transitions."""
    return self._client.server_info()[layout.TABLE]

  def _read(self) -> Optional[_Renewal]:
    """The newest renewal, or None of a server that nobody has leased."""
    if not self._client.server_info(timeout=1)[TABLE].current_size:
      return None
    step, = next(iter(self._client.sample(TABLE, 1)))
    owner, incarnation, count = step.data
    return _Renewal(
        leases.Holder(owner.tobytes().decode(), incarnation.tobytes().decode()),
        int(count))

  def _write(self) -> None:
    self._count += 1
    self._client.insert(
        [*(np.frombuffer(text.encode(), np.uint8) for text in self._holder),
         np.int64(self._count)], {TABLE: 1.0})
