"""A role's part in a learner's run: asked for, kept up, given back."""

import threading
import time
from typing import Optional

from absl import logging

from apex_tf import config as config_lib
from apex_tf import learner_client
from apex_tf import leases
from apex_tf import waiting
from apex_tf.monitoring import status as status_lib

# A lease that is held for so long is renewed: its holder is there.
_HELD_SECONDS = 2 * leases.LEASE_SECONDS
# For the learner to hear of an end.
_LEAVE_SECONDS = 1.0


class Membership:
  """This process's part in a learner's run, for as long as it keeps it up."""

  def __init__(self, learner: learner_client.LearnerClient, role: str):
    """Args: client of the learner; name of this role, such as "actor_3"."""
    self.holder = leases.this_process()
    self._learner = learner
    self._role = role
    self._joined = False

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
        self._joined = True
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
    """Ends it, once joined: the next process with this role need not wait.

    Without an answer it returns soon: the learner may be at its end as well.
    """
    if not self._joined:
      return
    thread = threading.Thread(target=self._leave, daemon=True)
    thread.start()
    thread.join(_LEAVE_SECONDS)

  def _leave(self) -> None:
    try:
      self._learner.leave(self._role, *self.holder)
    except Exception as error:  # pylint: disable=broad-except
      logging.info('The learner was not told of the end: %s', error)
