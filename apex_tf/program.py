"""The Launchpad graph of a run.

            variables (versioned snapshot)
        +-----------------------------------------------+
        v                                               |
 environment -> actor -> adder -> REPLAY -> dataset -> learner
                             ^                              v
                             +------- priority write-back --+
 evaluator: an actor without an adder.
"""

import logging as std_logging
import os
import threading
from typing import Any, Dict

from absl import logging
import launchpad as lp
from launchpad import context as lp_context
from launchpad.nodes import base
from launchpad.nodes.python import local_multi_processing

from apex_tf import config as config_lib
from apex_tf import process_environment
from apex_tf import role_process
from apex_tf import supervisor
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import run_directory


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
    self._address = lp.Address(role.replace('_', ''))  # It knows no "_".
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
  if not _has_process():
    _log_thread_to(run_dir.log_file(role))

  def work() -> Any:
    # Here and not above: the launcher needs neither TensorFlow nor Reverb.
    from apex_tf import roles  # pylint: disable=import-outside-toplevel
    function = getattr(roles, f'run_{metric_table.role_kind(role)}')
    return function(config, run_dir, stop=lp.stop_event(), **kwargs)

  role_process.run(role, run_dir, work, lp.stop_event(),
                   role_process.end if _has_process() else lambda code: None)


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
  """The graph: the shards of replay, one learner, actors, one evaluator.

  Args:
    config: validated.
    directory: path of the run directory.

  Returns:
    A program whose groups are `replay`, `learner`, `actor`, `evaluator`, and
    `variable_cache` where there are any.
  """
  program = lp.Program('apex')
  with program.group('replay'):
    roles = metric_table.replay_roles(config.replay.shards)
    shards = [
        program.add_node(
            ServerNode(role, config, directory, shard=shard,
                       port=config.replay.port and config.replay.port + shard))
        for shard, role in enumerate(roles)]
  with program.group('learner'):
    learner = program.add_node(
        ServerNode('learner', config, directory,
                   port=config.learner.port, replay_addresses=shards))
  sources = [learner]
  if config.actor.variable_caches:
    with program.group('variable_cache'):
      sources = [
          program.add_node(
              ServerNode(f'variable_cache_{index}', config, directory, port=0,
                         index=index, learner_address=learner))
          for index in range(config.actor.variable_caches)]
  with program.group('actor'):
    for index in range(config.actor.num_actors):
      program.add_node(
          RoleNode(f'actor_{index}', config, directory, index=index,
                   replay_address=shards[index % len(shards)],
                   learner_address=learner,
                   variables_address=sources[index % len(sources)]))
  with program.group('evaluator'):
    program.add_node(
        RoleNode('evaluator', config, directory,
                 learner_address=learner))
  return program


def make_resources(
    config: config_lib.Config, directory: run_directory.RunDirectory
) -> Dict[str, local_multi_processing.PythonProcess]:
  """How each group's processes are started: supervised; their environment.

  Args:
    config: of the run.
    directory: of the run; what is executed for each group is written there.

  Returns:
    A resource for each group of `make_program`.
  """
  resources = {}
  replay = 'replay' if config.replay.shards == 1 else 'replay_{}'
  roles = {'replay': replay, 'learner': 'learner', 'actor': 'actor_{}',
           'evaluator': 'evaluator'}
  if config.actor.variable_caches:
    roles['variable_cache'] = 'variable_cache_{}'
  for group, role in roles.items():
    interpreter = os.path.join(directory.roles_directory, f'{group}.sh')
    supervisor.write_interpreter(
        interpreter, role, directory.roles_directory, config.run.max_restarts)
    resources[group] = local_multi_processing.PythonProcess(
        env=process_environment.of_group(group, config),
        _absolute_interpreter_path=interpreter)
  return resources
