"""Launches the program of a run and sees to it that it ends."""

import contextlib
import math
import os
import signal
import threading
import time
from typing import Any, Iterator, NamedTuple, Optional, Set, Tuple

from absl import logging
import launchpad as lp
from launchpad.launch.run_locally import launch_local_output_to_files
import psutil

from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf import ports
from apex_tf import program
from apex_tf.monitoring import console as console_lib
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import role_records
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib

LAUNCH_TYPES = ('local_mp', 'local_mt')

_POLL_SECONDS = 0.5
# What nodes are given to end by themselves: longer than a call to the learner
# that is no more.
_GRACE_SECONDS = 6.0
# And those that write a checkpoint: the learner, and replay as projected, on a
# machine that is three times as slow, once more after one that was due.
_SAVING_GRACE_SECONDS = 60.0
_SLOWER = 6.0
# After it Launchpad kills them all, and the launcher; never before us.
_TERMINATION_MARGIN_SECONDS = 15.0
# What the process of a role, killed with its supervisor, may need to be gone.
_VANISH_SECONDS = 5.0


def check_ports(config: config_lib.Config) -> None:
  """Refuses a port that is taken, which Reverb would share without a word.

  Raises:
    ValueError: names the field and the port.
  """
  replay, learner = config.replay.port, config.learner.port
  shards = range(replay, replay + config.replay.shards) if replay else ()
  if learner in shards:
    others = f', up to {shards[-1]}, one a shard' if len(shards) > 1 else ''
    raise ValueError(f'learner.port is {learner}, but must differ from '
                     f'replay.port{others}')
  for field, value, port in (
      *(('replay.port', replay, port) for port in shards),
      *([('learner.port', learner, learner)] if learner else [])):
    try:
      ports.listen_once(port)
    except OSError as error:
      of_shard = f'{port}: ' if port != value else ''
      raise ValueError(
          f'{field} is {value}, but must be a free port, or 0 to pick one '
          f'({of_shard}{error.strerror})') from error


class Grace(NamedTuple):
  """What the nodes are given to end, once they are told to stop.

  Attributes:
    saving_roles: that write a checkpoint.
    saving_seconds: that they are given for it.
  """
  saving_roles: Tuple[str, ...]
  saving_seconds: float

  @classmethod
  def for_checkpoints(cls, replay_seconds: Optional[float],
                      shards: int = 1) -> 'Grace':
    """For the checkpoints of a run.

    Args:
      replay_seconds: that those of replay may take, or None if there are none.
      shards: of replay.
    """
    if replay_seconds is None:
      return cls(('learner',), _SAVING_GRACE_SECONDS)
    return cls(('learner', *metric_table.replay_roles(shards)),
               _SAVING_GRACE_SECONDS + _SLOWER * replay_seconds)

  @property
  def notice_seconds(self) -> int:
    """What `--lp_termination_notice_secs` has to be at least."""
    return math.ceil(self.saving_seconds + _TERMINATION_MARGIN_SECONDS)


class _Watch:
  """Watches a launched program from a thread, and sees to it that it ends.

  Launchpad wants to be stopped by a signal to the launcher; who sent the first
  one tells an end from an interruption. Nodes that are still there seconds
  after they were told to stop, importing TensorFlow perhaps, are killed; those
  that write a checkpoint, once they are at work, only when it should long be
  written. Launchpad would do it later, and kill the launcher as well.
  """

  def __init__(self, directory: run_directory.RunDirectory, grace: Grace):
    self._directory = directory
    self._grace = grace
    self._ended = threading.Event()
    self.interrupted = False
    self.done = False
    for number in (signal.SIGINT, signal.SIGTERM):
      signal.signal(number, self._on_signal)

  def start(self, stopping: threading.Event) -> None:
    """Begins to watch.

    Args:
      stopping: set once Launchpad has told the nodes to stop.
    """
    if self.interrupted:  # Perhaps before Launchpad listened to signals.
      os.kill(os.getpid(), signal.SIGTERM)
    self._thread = threading.Thread(
        target=self._run, args=(stopping,), daemon=True)
    self._thread.start()

  def close(self) -> None:
    self._ended.set()
    self._thread.join()

  def _on_signal(self, number: int, frame: Any) -> None:
    del number, frame
    self.interrupted = self.interrupted or not self.done

  def _run(self, stopping: threading.Event) -> None:
    while not stopping.wait(_POLL_SECONDS):
      if self._ended.is_set():
        return
      status = self._directory.read_status()
      if status is not None and status.phase == status_lib.DONE and (
          not self.done and not self.interrupted):
        self.done = True
        os.kill(os.getpid(), signal.SIGTERM)
    if not self._ended.wait(_GRACE_SECONDS):
      saving = {role: processes for role in self._grace.saving_roles
                if (processes := self._processes(role))}
      if saving:
        logging.warning(
            'Waiting for the checkpoint of %s, %s at most.',
            ' and '.join(saving), fmt.duration(self._grace.saving_seconds))
      _kill_all_but(set().union(*saving.values()))
    if not self._ended.wait(self._grace.saving_seconds - _GRACE_SECONDS):
      _kill_all_but(set())

  def _processes(self, role: str) -> Set[int]:
    """A role at work and its supervisor; none where it only starts."""
    record = self._directory.read_roles().get(role)
    if record is None or not record.alive():
      return set()
    try:
      return {record.pid, psutil.Process(record.pid).ppid()}
    except psutil.NoSuchProcess:
      return set()


def _kill_all_but(spared: Set[int]) -> None:
  """Kills the launcher's descendants, except for those with these ids."""
  for node in psutil.Process().children(recursive=True):
    try:
      if node.pid not in spared:
        node.kill()
    except psutil.NoSuchProcess:
      pass


class Ending(NamedTuple):
  """How a program has ended.

  Attributes:
    how: "" by itself, `status.INTERRUPTED` by a signal, or `status.FAILED`
      when a node failed.
    failure: the node that failed first, where one did and that is known.
  """
  how: str
  failure: Optional[role_records.RoleFailure] = None


def _find_failure(directory: run_directory.RunDirectory
                 ) -> Optional[role_records.RoleFailure]:
  """The role that failed just now; None where it cannot be told."""
  deadline = time.monotonic() + _VANISH_SECONDS
  while True:
    failure = directory.find_failure()
    if failure is not None or time.monotonic() >= deadline:
      return failure
    time.sleep(0.1)


@contextlib.contextmanager
def _stdout_in(path: str) -> Iterator[None]:
  """Writes to a file what Launchpad prints, which would run into the panel."""
  log = open(path, 'w', encoding='utf-8')  # pylint: disable=consider-using-with
  try:
    with contextlib.redirect_stdout(log):
      yield
  finally:
    with contextlib.suppress(OSError):  # Of a disk that is full.
      log.close()


def run(config: config_lib.Config, directory: run_directory.RunDirectory,
        launch_type: str, grace: Grace,
        console: console_lib.Console) -> Ending:
  """Launches the program and waits until it has ended.

  Args:
    config: validated.
    directory: of the run, prepared.
    launch_type: one of `LAUNCH_TYPES`.
    grace: for the nodes to end.
    console: shows the status meanwhile.

  Returns:
    How it ended.
  """
  # Launchpad reads $LAUNCHPAD_LOGGING_DIR when it is imported, which is before
  # the run directory is known.
  launch_local_output_to_files._LOGGING_DIR = directory.logs_directory  # pylint: disable=protected-access
  watch = _Watch(directory, grace)
  failed = False
  failure = None
  with console, _stdout_in(directory.launcher_log_file):
    manager = lp.launch(
        program.make_program(config, directory.path),
        launch_type=launch_type,
        terminal='output_to_files',
        # Threads have no processes to be supervised.
        local_resources=(program.make_resources(config, directory)
                         if launch_type == 'local_mp' else None))
    watch.start(manager.stop_event())
    try:
      manager.wait()
    except BaseException as error:  # In threads, a node's own.
      logging.info('A node failed: %s', error)
      failed = True
      # Now, since the others fail in its wake.
      failure = _find_failure(directory)
    manager.wait(raise_error=False)
  watch.close()
  if failed:
    return Ending(status_lib.FAILED, failure)
  return Ending(status_lib.INTERRUPTED if watch.interrupted else '')
