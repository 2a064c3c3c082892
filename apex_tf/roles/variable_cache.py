"""A process between the learner and many actors: it has its variables too."""

import threading
from typing import Callable

from absl import logging
import courier

from apex_tf import config as config_lib
from apex_tf import learner_client
from apex_tf import leases
from apex_tf import membership as membership_lib
from apex_tf import ports
from apex_tf import transfers
from apex_tf import variables as variables_lib
from apex_tf import waiting
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib

# Between two questions for a newer version.
_REFRESH_SECONDS = 0.5


def run_variable_cache(config: config_lib.Config,
                       directory: run_directory.RunDirectory, index: int,
                       learner_address: str, address: str,
                       stop: threading.Event,
                       patience: waiting.Patience = waiting.ENDLESS,
                       ready: Callable[[], None] = lambda: None,
                       stay: bool = False) -> None:
  """Serves the learner's variables until the run is over.

  Args:
    config: of the run.
    directory: of the run; nothing is written there.
    index: of this cache.
    learner_address: `host:port` of the `LearnerService`.
    address: `host:port` on which actors reach it, as a variable source.
    stop: ends the process early.
    patience: with a learner that does not answer, at the start and later on.
    ready: called once it has variables.
    stay: goes on when the run is over: its learner may come back, with newer
      ones.

  Raises:
    leases.RefusedError: the learner does not want it.
    waiting.NoAnswerError: the learner has not answered for too long.
  """
  del directory
  learner = learner_client.connect(learner_address)
  membership = membership_lib.Membership(learner, f'variable_cache_{index}')
  if not membership.join(config, stop, patience):
    return
  cache = variables_lib.VariableCache(
      learner_client.variables_at(learner_address))
  turns = transfers.Turns()
  port = int(address.rsplit(':', 1)[1])
  ports.wait_until_free(port, stop)
  server = courier.Server(port=port)
  for method in (cache.get_variables, turns.begin_transfer,
                 turns.end_transfer):
    server.Bind(method.__name__, method)
  server.Start()
  logging.info('Variables are served at %s.', address)
  silence = waiting.Wait(f'learner at {learner_address}', patience)
  try:
    phase, is_ready = '', False
    while not stop.is_set() and (stay or phase != status_lib.DONE):
      try:
        phase = membership.get_phase()
        cache.refresh()
        silence.note_answer()
        if not is_ready:
          ready()
          is_ready = True
      except leases.RefusedError:
        raise
      except Exception as error:  # pylint: disable=broad-except
        silence.note(error)
      stop.wait(_REFRESH_SECONDS)
    membership.leave()
  finally:
    server.Stop()
