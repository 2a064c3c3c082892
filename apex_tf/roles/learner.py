"""The learner process: learning, and whatever it offers to the others."""

import contextlib
import math
import threading
import time
from typing import Callable, Dict, Iterator, List, Optional, Sequence

from absl import logging
import courier
import reverb

from apex_tf import background
from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import files
from apex_tf import learner_checkpoint
from apex_tf import learner_service
from apex_tf import leases as leases_lib
from apex_tf import non_finite
from apex_tf import ports
from apex_tf import saved_policy
from apex_tf import waiting
from apex_tf.monitoring import previous
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import stalls as stalls_lib
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import status_reporter
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import learner_lease
from apex_tf.replay import monitor as monitor_lib

# Over `evaluator.max_seconds`, what a final evaluation may take to begin.
_FINAL_EVALUATION_GRACE_SECONDS = 30.0
# Between two attempts to write what a run leaves on a disk that is full.
_RETRY_SECONDS = 2.0
# After the first shard of replay has answered, how long the others may take.
_SHARDS_SECONDS = 60.0


class _LearnerProcess:
  """The parts of the process, and their order of work.

  Its methods are called one after the other, in the order that they have here.
  """

  def __init__(self, config: config_lib.Config,
               directory: run_directory.RunDirectory,
               replay_addresses: Sequence[str], stop: threading.Event,
               patience: waiting.Patience):
    """Builds what learns, at step 0; arguments as of `run_learner`."""
    builder = builder_lib.Builder(config)
    self._config = config
    self._directory = directory
    self._stop = stop
    self._patience = patience
    self._learning_over = threading.Event()
    self._coordinator = coordinator_lib.Coordinator(config.run)
    self._holder = leases_lib.this_process()
    clients = [reverb.Client(address) for address in replay_addresses]
    table = builder.make_replay_tables()[0].info
    self._replay_leases = [
        learner_lease.LearnerLease(address, self._holder, table)
        for address in replay_addresses]
    self._failure: Optional[Exception] = None
    self._feedback = builder.make_feedback(clients)
    self._learner = builder.make_learner(
        self._batches(builder, replay_addresses), self._feedback)
    self._checkpointer = learner_checkpoint.LearnerCheckpointer(
        directory.learner_checkpoints_directory, self._learner,
        self._coordinator,
        period_seconds=60 * config.learner.checkpoint_minutes)
    self._policy_saver = saved_policy.PolicySaver(
        self._learner, directory.policy_file)
    self._stall_watch = stalls_lib.StallWatch(
        config.actor.num_actors, config.replay.shards)
    self._reporter = status_reporter.StatusReporter(
        config, directory, self._coordinator, self._learner,
        monitor_lib.ReplayMonitor(clients, config.replay), self._stall_watch,
        holds_end=True)
    self._tasks: List[background.PeriodicTask] = []
    self._server: Optional[courier.Server] = None

  def _batches(self, builder: builder_lib.Builder,
               replay_addresses: Sequence[str]
              ) -> Iterator[dataset_lib.Batch]:
    """Batches; nothing is sampled before the first is asked for."""
    yield from builder.make_batches(replay_addresses, self._learning_over)

  def restore(self) -> None:
    """Goes on from the newest checkpoint, if there is one.

    Then the clock goes on from the last status, as the actors' counts do.

    Raises:
      ValueError: see `LearnerCheckpointer.restore`.
    """
    if self._checkpointer.restore() is None:
      logging.info('There is no checkpoint: the learner begins at step 0.')
      return
    self._coordinator.count_on_from(self._directory.last_wall_seconds())

  def start(self, address: str) -> None:
    """Serves the other roles, and starts what works in threads.

    Raises:
      OSError: the port remains taken.
    """
    port = int(address.rsplit(':', 1)[1])
    ports.wait_until_free(port, self._stop)
    service = learner_service.LearnerService(
        self._learner, self._coordinator, self._config, self._stall_watch.heard)
    self._server = courier.Server(port=port)
    for method in learner_service.LearnerService.METHODS:
      self._server.Bind(method, getattr(service, method))
    self._server.Start()
    logging.info('Learner serves variables at %s.', address)
    self._feedback.start()
    self._tasks = [
        background.PeriodicTask(self._watch, 0.2, 'limit_watcher'),
        background.PeriodicTask(self._reporter.write, 1.0, 'status_reporter'),
        # A run that is killed leaves a policy too.
        background.PeriodicTask(
            self._policy_saver.save, saved_policy.SAVE_PERIOD_SECONDS,
            'policy_saver'),
    ]

  def learn(self) -> None:
    """Learns until a limit is reached; saves what has been learned.

    Raises:
      RefusedError: another learner has the replay.
      NoAnswerError: replay does not answer.
      NonFiniteError: see `Learner.step`; says where the batch is saved.
    """
    learner = self._learner
    self._take_replay()
    try:
      phase = self._coordinator.check_limits()
      while phase in status_lib.LEARNING_PHASES and (
          not self._learning_over.is_set()):
        learner.step()
        phase = self._coordinator.report_learner(learner.num_steps)
        self._checkpointer.save_if_due()
    except StopIteration:
      pass
    except non_finite.NonFiniteError as error:
      raise non_finite.save_batch(
          self._directory.failures_directory, error) from None
    if self._failure is not None:
      raise self._failure
    learner.publish_last(self._coordinator.reached_target)
    self._save_all()
    self._coordinator.begin_final_evaluation()
    logging.info('Learning is over after %d steps.', learner.num_steps)

  def wait_for_final_evaluation(self) -> bool:
    """Waits until the run is over, and tells the others that it is.

    Returns:
      Whether it is over; otherwise this process was told to stop before.
    """
    deadline = time.monotonic() + self._config.evaluator.max_seconds + (
        _FINAL_EVALUATION_GRACE_SECONDS)
    while not self._stop.wait(0.1) and time.monotonic() < deadline and (
        self._coordinator.get_phase() != status_lib.DONE):
      pass
    if self._stop.is_set():
      # If it alone was to stop, the next one goes on, with all that the last
      # status counts.
      self._stop_serving()
      self._save_all()
      return False
    self._coordinator.finish()
    errors = self._save_all()  # With the final evaluation.
    # The others learn from the phase that the run is over.
    self._stop.wait(2.0)
    self._write_end(errors)
    return True

  def _save_all(self) -> Dict[str, Exception]:
    """Writes what the run leaves besides its status; what is not, and why."""
    errors: Dict[str, Exception] = {}
    for name, save in (('policy.npz', self._policy_saver.save_or_raise),
                       ('the last checkpoint',
                        self._checkpointer.save_or_raise)):
      try:
        save()
      except Exception as error:  # pylint: disable=broad-except
        errors[name] = error
    for name in errors.keys() - set(self._reporter.unsaved):
      logging.error('At the end of learning, %s is not written: %s', name,
                    errors[name])
    self._reporter.unsaved = list(errors)
    return errors

  def _write_end(self, errors: Dict[str, Exception]) -> None:
    """Writes the status of a run that is over, once there is all it leaves.

    The launcher learns from it that the run is over, and ends the program. Only
    for room on the disk, and for the status itself, it waits.

    Args:
      errors: as `_save_all` has just returned them.
    """
    waits = False
    while any(map(files.is_no_room, errors.values())) or (
        not self._reporter.write_end()):
      if not waits:
        logging.warning(
            'The run is over, and waits until the disk takes what it leaves: '
            '%s.', ', '.join((*errors, 'status.json')))
        waits = True
      if self._stop.wait(_RETRY_SECONDS):
        logging.error('The run ends without %s.',
                      ', '.join((*errors, 'its last status.json')))
        return
      errors = self._save_all()

  def close(self) -> None:
    """Ends every thread, also after an error."""
    self._learning_over.set()
    for task in self._tasks:
      task.stop()
    self._reporter.close()
    self._feedback.stop()
    self._stop_serving()

  def _stop_serving(self) -> None:
    """From now on nothing is reported."""
    if self._server is not None:
      self._server.Stop()
      self._server = None

  def _take_replay(self) -> None:
    """Waits until the shards are this learner's, for a minute from the first.

    Raises:
      NoAnswerError: none of them answers.
    """
    taken = []
    for lease in self._replay_leases:
      taken.append(threading.Event())
      threading.Thread(target=self._hold_replay, args=(lease, taken[-1]),
                       name='replay_lease', daemon=True).start()
    addresses = ', '.join(lease.address for lease in self._replay_leases)
    wait = waiting.Wait(f'replay at {addresses}', self._patience)
    start, until = time.monotonic(), math.inf
    while not all(event.is_set() for event in taken):
      if self._learning_over.wait(0.1) or time.monotonic() > until:
        return
      if any(event.is_set() for event in taken):
        until = min(until, time.monotonic() + _SHARDS_SECONDS)
      elif time.monotonic() - start > 1.0:
        wait.note('')

  def _hold_replay(self, lease: learner_lease.LearnerLease,
                   taken: threading.Event) -> None:
    """Takes a shard when it is there, and keeps it; in a thread of its own."""
    try:
      # However long it takes: the others may do without it.
      if not lease.take(self._learning_over, waiting.Patience()):
        return
      taken.set()
      while not self._learning_over.wait(learner_lease.RENEWAL_SECONDS):
        try:
          lease.renew()
        except (reverb.DeadlineExceededError, RuntimeError) as error:
          logging.log_first_n(
              logging.WARNING, 'The replay at %s is not renewed: %s', 3,
              lease.address, error)
      lease.give_back()
    except Exception as error:  # pylint: disable=broad-except
      self._failure = error
      self._learning_over.set()

  def _watch(self) -> None:
    if self._stop.is_set() or (
        self._coordinator.check_limits() not in status_lib.LEARNING_PHASES):
      self._learning_over.set()


def run_learner(config: config_lib.Config,
                directory: run_directory.RunDirectory,
                replay_addresses: Sequence[str], address: str,
                stop: threading.Event,
                patience: waiting.Patience = waiting.ENDLESS,
                ready: Callable[[], None] = lambda: None,
                over: Callable[[], None] = lambda: None) -> None:
  """Learns until a limit is reached, then waits for the final evaluation.

  It goes on from the newest checkpoint in the directory. A limit that is
  already reached there ends the run at once.

  Args:
    config: of the run.
    directory: of the run; the status file, TensorBoard logs, the policy and
      the checkpoints go there.
    replay_addresses: `host:port` of each shard of replay, in their order.
    address: `host:port` on which the other roles reach `LearnerService`.
    stop: ends the process early.
    patience: with a replay that does not answer at the start.
    ready: called once it is at work.
    over: called once the run is over and all is written, while the others are
      still answered.

  Raises:
    RefusedError: another learner has the replay.
    NoAnswerError: replay does not answer.
    NonFiniteError: a loss or a gradient is not finite.
    OSError: the port of `address` remains taken.
    ValueError: the checkpoint is of another configuration.
  """
  with contextlib.suppress(OSError):  # Of a disk that is read-only.
    previous.tidy_up_after_learner(directory)
  process = _LearnerProcess(
      config, directory, replay_addresses, stop, patience)
  try:
    process.restore()
    process.start(address)
    ready()
    process.learn()
    if process.wait_for_final_evaluation():
      over()
  finally:
    process.close()
