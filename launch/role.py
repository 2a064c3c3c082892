"""What the commands of single roles have in common; not a command itself.

Each role is a process that an engine of a cluster starts, and starts again:
see docs/cluster.md. Roles find each other by the addresses on their command
lines, in any order: whoever is there first waits.
"""

import os
import re
import signal
import sys
import threading
from typing import (
  Any,
  Callable,
  List,
  NamedTuple,
  NoReturn,
  Optional,
  Tuple,
)

from absl import flags
from absl import logging
from ml_collections import config_flags

from apex_tf import config as config_lib
from apex_tf import process_environment
from apex_tf import resuming
from apex_tf import role_process
from apex_tf import settings
from apex_tf import validation
from apex_tf import waiting
from apex_tf.monitoring import health as health_lib
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import opening
from apex_tf.monitoring import previous
from apex_tf.monitoring import run_directory
from launch import command_line

FLAGS = flags.FLAGS


class Process(NamedTuple):
  """What a role's work is given, besides what is on its command line.

  Attributes:
    directory: for what it leaves.
    stop: set when it is told to stop.
    patience: with servers that do not answer.
    ready: to be called once it is at work.
  """
  directory: run_directory.RunDirectory
  stop: threading.Event
  patience: waiting.Patience
  ready: Callable[[], None]


# What a role does until it is told to stop.
Work = Callable[[Process], Any]

_ADDRESS = re.compile(r'(\[[0-9a-fA-F:.]+\]|[^\s:,/]+):(\d+)')

config_flags.DEFINE_config_file(
    'config', None, 'Preset, the same for all roles of a run; its fields are '
    'overridden by --config.section.field=value.')
flags.DEFINE_string(
    'workdir', None, 'Directory for what this role leaves. Roles may have one '
    'in common, where they share a file system.')
flags.DEFINE_float(
    'wait_minutes', 10.0, 'How long to wait for a server that does not answer, '
    'before this role ends with exit code 1.', lower_bound=0.0)
flags.DEFINE_integer(
    'health_port', 0, 'TCP port that answers GET /healthz and /readyz; 0 is '
    'none.', lower_bound=0, upper_bound=2**16 - 1)

# By which engines tell the tasks of a role apart.
INDEX_VARIABLES = ('JOB_COMPLETION_INDEX', 'SLURM_PROCID')


def define_replay() -> None:
  """Of those who are told where replay is."""
  flags.DEFINE_string(
      'replay', None, 'host:port of replay; of several shards all of them, '
      'with commas, in their order.')


def define_learner() -> None:
  """Of those who are told where the learner is."""
  flags.DEFINE_string('learner', None, 'host:port of the learner.')


def define_port() -> None:
  """Of those who serve others."""
  flags.DEFINE_integer('port', None, 'TCP port on which the others reach it.')


def define_stay() -> None:
  """Of those who end with their run."""
  flags.DEFINE_bool(
      'stay', False, 'When the run is over, go on answering those who come '
      'later, until told to stop; for engines that start again whatever ends.')


def addresses(flag: str, count: int) -> List[str]:
  """Of servers, as a flag has them.

  Args:
    flag: its name; its value is `host:port[,host:port...]`.
    count: of the servers there are.

  Raises:
    ValueError: names the flag, its value and what is allowed.
  """
  value = FLAGS[flag].value
  if not value:
    raise ValueError(f'{flag} is not given, but must be host:port '
                     f'(--{flag}=HOST:PORT)')
  found = value.split(',')
  for address in found:
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match.group(2)) < 2**16:
      raise settings.error(flag, value, f'host:port, unlike {address!r}')
  if len(found) != count or len(set(found)) != count:
    shards = ('one address' if count == 1 else f'{count} different addresses, '
              f'of the shards of replay.shards {count}')
    raise settings.error(flag, value, shards)
  return found


def port(flag: str = 'port') -> int:
  """To serve on; where others have to know it, none is picked.

  Raises:
    ValueError: names the flag, its value and what is allowed.
  """
  value = FLAGS[flag].value
  if value is None or not 0 < value < 2**16:
    raise settings.error(
        flag, value, 'a TCP port, from 1 to 65535, to which the other '
        'roles connect')
  return value


def index(flag: str, count: int) -> int:
  """Which of several a role is, by its flag or one of `INDEX_VARIABLES`.

  Args:
    flag: its name.
    count: how many there are.

  Raises:
    ValueError: names the flag or variable, its value and what is allowed.
  """
  name, value = flag, FLAGS[flag].value
  for variable in INDEX_VARIABLES:
    if value is None and variable in os.environ:
      name, text = variable, os.environ[variable]
      if not text.isdecimal():
        raise settings.error(name, text, 'a number')
      value = int(text)
  if value is None:
    others = ''.join(f', or {variable} be set' for variable in INDEX_VARIABLES)
    raise ValueError(f'{flag} is not given, but must be a number from 0 to '
                     f'{count - 1}{others}')
  if not 0 <= value < count:
    raise settings.error(name, value, f'from 0 to {count - 1}')
  return value


def run(prepare: Callable[[config_lib.Config], Tuple[str, Work]]) -> NoReturn:
  """Checks the command line, does a role's work, and exits.

  Exit codes: 0 where the run is over, 143 where the role was told to stop
  (SIGTERM, Ctrl-C), 2 for a mistake in the command line, 3 for numbers that are
  not finite, 1 for all else that failed later on.

  Args:
    prepare: from the configuration and the flags makes the role's name and its
      work; raises ValueError for what cannot be.
  """
  config = FLAGS.config
  try:
    role, work = prepare(config)
    validation.validate(config)
    _use_environment(config, role)
    directory = _open_directory(config, role)
    health = _serve_health(role)
  except ValueError as mistake:
    command_line.refuse(str(mistake))
  process = Process(directory, threading.Event(),
                    waiting.Patience(60 * FLAGS.wait_minutes),
                    health.set_ready if health is not None else lambda: None)
  for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: process.stop.set())
  logging.set_verbosity(logging.INFO)
  role_process.run(
      role, directory, lambda: work(process), process.stop, role_process.end)
  raise AssertionError('the process has ended')


def _use_environment(config: config_lib.Config, role: str) -> None:
  """Sets the variables of a role's process, which has to begin with them."""
  wanted = process_environment.of_group(metric_table.role_kind(role), config)
  missing = {name: value for name, value in wanted.items()
             if name not in os.environ}
  os.environ.update(missing)
  if missing and 'tensorflow' in sys.modules:  # A preset has imported it.
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _open_directory(config: config_lib.Config,
                    role: str) -> run_directory.RunDirectory:
  """Makes the directory ready.

  Raises:
    ValueError: names `workdir`, or the field in which the run that is there
      differs.
  """
  if not FLAGS.workdir:
    raise ValueError('workdir is not given, but must be the path of a '
                     'directory (--workdir=DIR)')
  try:
    directory = run_directory.RunDirectory(FLAGS.workdir)
    same = directory.read_roles().get(role)
    if same is not None and same.alive():
      raise settings.error(
          'workdir', FLAGS.workdir, f'a directory that {role} of '
          f'process {same.pid} does not use')
    if directory.holds_run:
      resuming.check_same(config, directory, FLAGS.workdir,
                          'another --workdir be given')
    if directory.holds_run and role == metric_table.LEARNER:
      previous.reopen(directory)
    directory = opening.for_role(FLAGS.workdir)
    if role == metric_table.LEARNER:  # The others only write beside it.
      directory.write_config(config)
  except OSError as mistake:
    raise settings.error(
        'workdir', FLAGS.workdir, 'a directory that can be written to '
        f'({mistake})') from mistake
  return directory


def _serve_health(role: str) -> Optional[health_lib.HealthServer]:
  """Starts to answer on `--health_port`, if there is one.

  Raises:
    ValueError: it is taken.
  """
  if not FLAGS.health_port:
    return None
  try:
    return health_lib.HealthServer(FLAGS.health_port, role)
  except OSError as mistake:
    raise settings.error(
        'health_port', FLAGS.health_port,
        f'a free port ({mistake.strerror})') from mistake


