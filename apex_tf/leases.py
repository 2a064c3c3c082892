"""Who has a place that only one may have, such as the index of an actor.

A lease is held by whoever keeps renewing it, and ends when nobody has for some
seconds. No port or file tells that of processes on several machines.
"""

import os
import socket
import threading
import time
from typing import Callable, Dict, NamedTuple, Optional
import uuid

from apex_tf.monitoring import role_records

# Without a renewal for so long, a place is free; reports come each second.
LEASE_SECONDS = 10.0


class RefusedError(Exception):
  """A process may not take part in a run; says why, in one line."""


class Holder(NamedTuple):
  """A process that wants a place, or has it.

  Attributes:
    owner: who guarantees that only one process has the place at a time: its
      supervisor, or the process itself. Names its host. The next process of a
      supervisor need not wait for the lease of the last.
    incarnation: tells the processes of an owner apart.
  """
  owner: str
  incarnation: str


def this_process() -> Holder:
  """A new incarnation, of the supervisor of this process if it has one."""
  host, incarnation = socket.gethostname(), uuid.uuid4().hex
  if role_records.RESTARTS_VARIABLE in os.environ:
    return Holder(f'{host}, supervisor {os.getppid()}', incarnation)
  # Containers may have one name, and all of their processes the number 1.
  return Holder(f'{host}, process {os.getpid()} ({incarnation[:8]})',
                incarnation)


class _Lease(NamedTuple):
  holder: Holder
  renewed_at: float


class Leases:
  """The leases of all places of one kind. Thread safe."""

  def __init__(self, clock: Callable[[], float] = time.monotonic):
    """Args: seconds, never going back."""
    self._clock = clock
    self._lock = threading.Lock()
    self._leases: Dict[str, _Lease] = {}

  def take(self, place: str, holder: Holder) -> Optional[Holder]:
    """Takes a place that is free, or renews the lease of one that is had.

    Args:
      place: its name.
      holder: who is to have it.

    Returns:
      Who has it instead; None where it is `holder` now.
    """
    with self._lock:
      lease = self._leases.get(place)
      now = self._clock()
      if lease is not None and lease.holder != holder and (
          lease.holder.owner != holder.owner and
          now - lease.renewed_at < LEASE_SECONDS):
        return lease.holder
      self._leases[place] = _Lease(holder, now)
      return None

  def give_back(self, place: str, holder: Holder) -> None:
    """Frees a place at once, if this holder has it."""
    with self._lock:
      lease = self._leases.get(place)
      if lease is not None and lease.holder == holder:
        del self._leases[place]
