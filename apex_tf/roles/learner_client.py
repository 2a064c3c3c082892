"""How the other roles reach the learner."""

import threading
import time
from typing import Any, Callable, Optional

from absl import logging
import courier

from apex_tf import config as config_lib
from apex_tf import leases
from apex_tf import ports
from apex_tf import transfers
from apex_tf import waiting
from apex_tf.monitoring import status as status_lib

# Longest wait for an answer; also bounds how late a role sees that it is to
# stop.
_CALL_TIMEOUT_SECONDS = 5.0
# Of one address, taken in turn; the first is free again by then.
_SPELLINGS = 8
# A lease that is held for so long is renewed: its holder is there.
_HELD_SECONDS = 2 * leases.LEASE_SECONDS


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
        logging.info('The port of the learner answers again: reconnecting.')
        self._closed_port_seen = False
        self._zeros = (self._zeros + 1) % _SPELLINGS
        self._channel = self._make_channel()


class Membership:
  """This process's part in a learner's run, for as long as it keeps it up."""

  def __init__(self, learner: LearnerClient, role: str):
    """Args: client of the learner; name of this role, such as "actor_3"."""
    self.holder = leases.this_process()
    self._learner = learner
    self._role = role

  def join(self, config: config_lib.Config, stop: threading.Event,
           patience: waiting.Patience) -> bool:
    """Waits for the learner, and asks it to take part in its run.

    Args:
      config: of this process.
      stop: ends the wait.
      patience: with a learner that does not answer.

    Returns:
      Whether it takes part; otherwise `stop` is set.

    Raises:
      waiting.NoAnswerError: nobody answers, or not a learner.
      leases.RefusedError: the learner says why.
    """
    address = self._learner.address
    wait = waiting.Wait(f'learner at {address}', patience)
    held_until: Optional[float] = None
    while not stop.is_set():
      try:
        answer = self._learner.join(
            self._role, *self.holder, config.to_json())
      except Exception as error:  # pylint: disable=broad-except
        # Courier raises its own status type; without words, where the server
        # is one of gRPC that has no such method.
        if not str(error) or 'not found' in str(error):
          raise waiting.NoAnswerError(
              f'{address} answers, but not as a learner does: is it the right '
              'port?') from error
        wait.note(error)
        stop.wait(0.5)
        continue
      if answer['refused']:
        raise leases.RefusedError(answer['refused'])
      if not answer['held_by']:
        return True
      if held_until is None:
        held_until = time.monotonic() + _HELD_SECONDS
        logging.warning(
            '%s is held by %s: waiting whether that still reports.',
            self._role, answer['held_by'])
      elif time.monotonic() > held_until:
        raise leases.RefusedError(f'there is {self._role} already, and it '
                                  f'reports: {answer["held_by"]}')
      stop.wait(1.0)
    return False

  def get_phase(self) -> str:
    """Of the run; keeps the part up, as an actor's reports do.

    Raises:
      leases.RefusedError: another process has this role by now.
      Exception: there is no answer.
    """
    return self.check(self._learner.get_phase(self._role, *self.holder))

  def check(self, phase: str) -> str:
    """The phase that the learner has answered.

    Raises:
      leases.RefusedError: as `get_phase`.
    """
    if phase == status_lib.TAKEN:
      raise leases.RefusedError(f'another process is {self._role} by now')
    return phase

  def leave(self) -> None:
    """Ends it: the next process with this role need not wait."""
    try:
      self._learner.leave(self._role, *self.holder)
    except Exception as error:  # pylint: disable=broad-except
      logging.info('The learner was not told of the end: %s', error)


def connect(address: str) -> LearnerClient:
  """A client of the `LearnerService` at `host:port`."""
  return LearnerClient(address)


def variables_at(address: str) -> transfers.TurnTaker:
  """The variables of a `LearnerService` or a variable cache at `host:port`."""
  return transfers.TurnTaker(
      LearnerClient(address),
      LearnerClient(address, transfers.TRANSFER_SECONDS))
