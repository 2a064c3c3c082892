"""How the other roles reach the learner."""

import threading
from typing import Any, Callable

from absl import logging
import courier

from apex_tf import ports
from apex_tf import transfers

# Longest wait for an answer; also bounds how late a role sees that it is to
# stop.
_CALL_TIMEOUT_SECONDS = 5.0
# Of one address, taken in turn; the first is free again by then.
_SPELLINGS = 8


class LearnerClient:
  """Calls the methods of a `LearnerService`, also when it is started again.

  gRPC waits between its attempts to connect, longer each time: a learner that
  was away for two minutes would not be found for two more. All channels of a
  process to one address share that wait. So where a port that was closed
  answers again, this client makes another channel, to the same address in
  another spelling: a port may have zeros in front.

  It waits for a server that is not there yet; each method raises Courier's
  `StatusNotOk` when no answer comes in time. Thread safe.
  """

  def __init__(self, address: str,
               timeout_seconds: float = _CALL_TIMEOUT_SECONDS):
    """Initializes a client; it connects at the first call.

    Args:
      address: `host:port` of the service.
      timeout_seconds: of a call.
    """
    self.address = address
    self._host, _, self._port = address.rpartition(':')
    self._timeout_seconds = timeout_seconds
    self._lock = threading.Lock()
    self._closed_port_seen = False
    self._zeros = 0
    self._channel = self._make_channel()

  def __getattr__(self, method: str) -> Callable[..., Any]:
    if method.startswith('_'):
      raise AttributeError(method)

    def call(*args: Any, **kwargs: Any) -> Any:
      channel = self._channel
      try:
        return getattr(channel, method)(*args, **kwargs)
      except Exception:
        self._note_failure(channel)
        raise

    return call

  def _make_channel(self) -> courier.Client:
    return courier.Client(f'{self._host}:{"0" * self._zeros}{self._port}',
                          call_timeout=self._timeout_seconds)

  def _note_failure(self, channel: courier.Client) -> None:
    """Takes another channel where the port has been closed and is no more."""
    with self._lock:
      if channel is not self._channel:
        return  # Another thread has done it.
      if not ports.answers(self._host, int(self._port)):
        self._closed_port_seen = True
      elif self._closed_port_seen:
        logging.info('Port %s answers again: reconnecting.', self._port)
        self._closed_port_seen = False
        self._zeros = (self._zeros + 1) % _SPELLINGS
        self._channel = self._make_channel()


def connect(address: str) -> LearnerClient:
  """A client of the `LearnerService` at `host:port`."""
  return LearnerClient(address)


def variables_at(address: str) -> transfers.TurnTaker:
  """The variables of a `LearnerService` or a variable cache at `host:port`."""
  return transfers.TurnTaker(
      LearnerClient(address),
      LearnerClient(address, transfers.TRANSFER_SECONDS))
