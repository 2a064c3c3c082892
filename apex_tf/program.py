"""The Launchpad graph of a run, and running it.

            variables (versioned snapshot)
        +-----------------------------------------------+
        v                                               |
 environment -> actor -> adder -> REPLAY -> dataset -> learner
                             ^                              v
                             +------- priority write-back --+
 evaluator: an actor without an adder.
"""

import contextlib
import errno
import logging as std_logging
import os
import signal
import socket
import sys
import threading
from typing import Any, Dict, NamedTuple, Optional

from absl import logging
import launchpad as lp
from launchpad import context as lp_context
from launchpad.launch.run_locally import launch_local_output_to_files
from launchpad.nodes import base
from launchpad.nodes.python import local_multi_processing
import psutil

from apex_tf import config as config_lib
from apex_tf.monitoring import console as console_lib
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import role_records
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib

LAUNCH_TYPES = ('local_mp', 'local_mt')

_POLL_SECONDS = 0.5
# What nodes are given to end by themselves; Launchpad gives them 10 seconds.
_GRACE_SECONDS = 5.0


class _FixedAddress(lp.AbstractAddressBuilder):
  """The address of a port that the configuration names."""

  def __init__(self, port: int):
    self._port = port

  def build(self) -> str:
    return f'localhost:{self._port}'


class AddressHandle(base.Handle):
  """Becomes the `host:port` string of a node in the nodes that use it."""

  def __init__(self, address: lp.Address):
    self._address = address

  def dereference(self) -> str:
    return self._address.resolve()


class RoleNode(lp.PyNode):
  """Runs one role and writes down how it ended.

  Launchpad notices that a node failed, but not which one nor why.
  """

  def __init__(self, role: str, config: config_lib.Config, directory: str,
               **kwargs: Any):
    """Initializes a node.

    Args:
      role: its name in the run directory, such as "actor_3"; a role of the
        kind "actor" is the function `run_actor` of `apex_tf.roles`.
      config: of the run.
      directory: path of the run directory.
      **kwargs: the function's other arguments, handles among them.
    """
    super().__init__(_run_role, role, config, directory, **kwargs)


class ServerNode(RoleNode):
  """A role that others reach at an address."""

  def __init__(self, role: str, config: config_lib.Config, directory: str,
               port: int, **kwargs: Any):
    """As `RoleNode`; the function is also given its own `address`.

    Args:
      role: as in `RoleNode`.
      config: as in `RoleNode`.
      directory: as in `RoleNode`.
      port: to listen on; 0 picks a free one.
      **kwargs: as in `RoleNode`.
    """
    self._address = lp.Address(role)
    self._port = port
    super().__init__(role, config, directory,
                     address=AddressHandle(self._address), **kwargs)
    self.allocate_address(self._address)

  def create_handle(self) -> AddressHandle:
    return self._track_handle(AddressHandle(self._address))

  def bind_addresses(self, **kwargs: Any) -> None:
    if self._port:
      self._address.bind(_FixedAddress(self._port))
    else:
      super().bind_addresses(**kwargs)


def _run_role(role: str, config: config_lib.Config, directory: str,
              **kwargs: Any) -> None:
  """Runs in the node: the role, with its start and end on record."""
  run_dir = run_directory.RunDirectory(directory)
  run_dir.record_start(role)
  if not _has_process():
    _log_thread_to(run_dir.log_file(role))
  try:
    # Here and not above: the launcher needs neither TensorFlow nor Reverb.
    from apex_tf import roles  # pylint: disable=import-outside-toplevel
    function = getattr(roles, f'run_{metrics_lib.role_kind(role)}')
    kept = function(config, run_dir, stop=lp.stop_event(), **kwargs)
  except BaseException as error:
    logging.exception('%s failed.', role)
    run_dir.record_failure(role, f'{type(error).__name__}: {error}')
    _end_process(1)
    raise
  run_dir.record_stop(role)
  _end_process(0)
  del kept  # Held until here, since a process that ends need not free it.


def _end_process(exit_code: int) -> None:
  """Ends the node's process, if it has one, without taking it apart.

  Millions of items are freed, and threads in TensorFlow and Reverb joined,
  in more time than Launchpad gives a node to stop.
  """
  if _has_process():
    logging.flush()
    sys.stdout.flush()
    os._exit(exit_code)  # pylint: disable=protected-access


def _has_process() -> bool:
  """Whether this node has a process, and not only a thread, of its own."""
  return lp_context.get_context().launch_type is (
      lp.LaunchType.LOCAL_MULTI_PROCESSING)


def _log_thread_to(path: str) -> None:
  """Writes what this thread logs to a file too, as Launchpad does for nodes
  with a process."""
  os.makedirs(os.path.dirname(path), exist_ok=True)
  handler = std_logging.FileHandler(path, mode='w', encoding='utf-8')
  handler.setFormatter(logging.PythonFormatter())
  thread = threading.get_ident()
  handler.addFilter(lambda record: record.thread == thread)
  logging.get_absl_logger().addHandler(handler)


def make_program(config: config_lib.Config, directory: str) -> lp.Program:
  """The graph: one replay, one learner, the actors, one evaluator.

  Args:
    config: validated.
    directory: path of the run directory.

  Returns:
    A program whose groups are `replay`, `learner`, `actor`, `evaluator`.
  """
  program = lp.Program('apex')
  with program.group('replay'):
    replay = program.add_node(
        ServerNode('replay', config, directory,
                   port=config.replay.port))
  with program.group('learner'):
    learner = program.add_node(
        ServerNode('learner', config, directory,
                   port=config.learner.port, replay_address=replay))
  with program.group('actor'):
    for index in range(config.actor.num_actors):
      program.add_node(
          RoleNode(f'actor_{index}', config, directory,
                   index=index, replay_address=replay,
                   learner_address=learner))
  with program.group('evaluator'):
    program.add_node(
        RoleNode('evaluator', config, directory,
                 learner_address=learner))
  return program


def make_resources() -> Dict[str, local_multi_processing.PythonProcess]:
  """Environment variables of each group's processes."""
  common = {'TF_CPP_MIN_LOG_LEVEL': '2', 'PYTHONUNBUFFERED': '1'}
  no_gpu = {**common, 'CUDA_VISIBLE_DEVICES': '-1'}
  # Many processes share the cores: each acts with one thread.
  acting = {**no_gpu, 'TF_NUM_INTRAOP_THREADS': '1',
            'TF_NUM_INTEROP_THREADS': '1', 'OMP_NUM_THREADS': '1'}
  # On the CPU, oneDNN makes the learner's convolutions 1.6 times as fast.
  learning = {**common, 'TF_ENABLE_ONEDNN_OPTS': '1'}
  return {
      'replay': local_multi_processing.PythonProcess(env=acting),
      'learner': local_multi_processing.PythonProcess(env=learning),
      'actor': local_multi_processing.PythonProcess(env=acting),
      'evaluator': local_multi_processing.PythonProcess(env=acting),
  }


def check_ports(config: config_lib.Config) -> None:
  """Refuses a port that is taken, which Reverb would share without a word.

  Raises:
    ValueError: names the field and the port.
  """
  if config.replay.port and config.replay.port == config.learner.port:
    raise ValueError(f'learner.port is {config.learner.port}, but must differ '
                     'from replay.port')
  for field, port in (('replay.port', config.replay.port),
                      ('learner.port', config.learner.port)):
    if port:
      try:
        _listen_once(port)
      except OSError as error:
        raise ValueError(
            f'{field} is {port}, but must be a free port, or 0 to pick one '
            f'({error.strerror})') from error


def _listen_once(port: int) -> None:
  """Listens on a port alone, in both families as the servers do.

  Raises:
    OSError: another listens there, or it is not allowed.
  """
  for family, host in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
    try:
      listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:  # A machine without this family.
      continue
    with listener:
      # What is left of a run that has ended (TIME_WAIT) is not in the way.
      listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
      try:
        listener.bind((host, port))
        listener.listen(1)
      except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
          raise


class _Watch:
  """Watches a launched program from a thread, and sees to it that it ends.

  Launchpad wants to be stopped by a signal to the launcher; who sent the first
  one tells an end from an interruption. Nodes that are still there seconds
  after they were told to stop, importing TensorFlow perhaps, are killed:
  Launchpad would do it later, and kill the launcher as well.
  """

  def __init__(self, directory: run_directory.RunDirectory):
    self._directory = directory
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
      for node in psutil.Process().children(recursive=True):
        try:
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


def run(config: config_lib.Config, directory: run_directory.RunDirectory,
        launch_type: str, console: console_lib.Console) -> Ending:
  """Launches the program and waits until it has ended.

  Args:
    config: validated.
    directory: of the run, prepared.
    launch_type: one of `LAUNCH_TYPES`.
    console: shows the status meanwhile.

  Returns:
    How it ended.
  """
  # Launchpad reads $LAUNCHPAD_LOGGING_DIR when it is imported, which is before
  # the run directory is known.
  launch_local_output_to_files._LOGGING_DIR = directory.logs_directory  # pylint: disable=protected-access
  watch = _Watch(directory)
  failed = False
  failure = None
  with console, open(directory.launcher_log_file, 'w', encoding='utf-8') as log:
    # What Launchpad prints would run into the console's panel.
    with contextlib.redirect_stdout(log):
      manager = lp.launch(
          make_program(config, directory.path),
          launch_type=launch_type,
          terminal='output_to_files',
          local_resources=make_resources())
      watch.start(manager.stop_event())
      try:
        manager.wait()
      except BaseException as error:  # In threads, a node's own.
        logging.info('A node failed: %s', error)
        failed = True
        # Now, since the others fail in its wake.
        failure = directory.find_failure()
      manager.wait(raise_error=False)
    watch.close()
  if failed:
    return Ending(status_lib.FAILED, failure)
  return Ending(status_lib.INTERRUPTED if watch.interrupted else '')
