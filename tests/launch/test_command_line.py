"""Every line of "Bad input": one line, exit code 2, nothing written.

Each command line goes through the real `main` of `launch.train`, in a process
of its own.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

from configs import cartpole
from launch import command_line

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(_ROOT)}
_CARTPOLE = f'--config={_ROOT}/configs/cartpole.py'
_ATARI = f'--config={_ROOT}/configs/atari.py'
_MINATAR = f'--config={_ROOT}/configs/minatar.py'
_GYM = f'--config={_ROOT}/configs/gym.py'
_WORKDIR = '--workdir=new/run'

# Name: what is given, and what the line says after "train.py: ".
_CASES = {
    # Unknown fields.
    'unknown field': (
        [_CARTPOLE, _WORKDIR, '--config.actor.num_actorz=3'],
        'actor.num_actorz is not a field of the configuration; did you mean '
        'actor.num_actors?'),
    'unknown section': (
        [_CARTPOLE, _WORKDIR, '--config.actors.num_actors=3'],
        'actors.num_actors is not a field of the configuration'),
    'a section is not a field': (
        [_CARTPOLE, _WORKDIR, '--config.actor=3'],
        'actor is not a field of the configuration'),
    'a field has no fields': (
        [_CARTPOLE, _WORKDIR, '--config.actor.num_actors.more=3'],
        'actor.num_actors.more is not a field of the configuration'),
    'unknown boolean field': (
        [_CARTPOLE, _WORKDIR, '--noconfig.environment.sticky'],
        'environment.sticky is not a field of the configuration'),
    # Wrong types.
    'fraction for an int': (
        [_CARTPOLE, _WORKDIR, '--config.learner.batch_size=2.5'],
        "learner.batch_size is '2.5', but must be of type int"),
    'word for an int': (
        [_CARTPOLE, _WORKDIR, '--config.actor.num_actors=many'],
        "actor.num_actors is 'many', but must be of type int"),
    'nothing for an int': (
        [_CARTPOLE, _WORKDIR, '--config.actor.num_actors='],
        "actor.num_actors is '', but must be of type int"),
    'word for a float': (
        [_CARTPOLE, _WORKDIR, '--config.dqn.learning_rate=fast'],
        "dqn.learning_rate is 'fast', but must be of type float"),
    'words for a tuple of ints': (
        [_CARTPOLE, _WORKDIR, '--config.dqn.hidden_sizes=a,b'],
        "dqn.hidden_sizes is ('a,b',), but must be a tuple of at least one "
        'int'),
    'fractions for a tuple of ints': (
        [_CARTPOLE, _WORKDIR, '--config.dqn.hidden_sizes=2.5,3'],
        'dqn.hidden_sizes is (2.5, 3), but must be a tuple of at least one '
        'int'),
    'word for a boolean': (
        [_CARTPOLE, _WORKDIR, '--config.environment.full_action_set=maybe'],
        "environment.full_action_set is 'maybe', but must be of type bool"),
    # Impossible values.
    'batch larger than replay': (
        [_CARTPOLE, _WORKDIR, '--config.replay.capacity=1000',
         '--config.learner.batch_size=1001'],
        'learner.batch_size is 1001, but must be at most replay.capacity, '
        '1000'),
    'minimum size larger than replay': (
        [_CARTPOLE, _WORKDIR, '--config.replay.capacity=999'],
        'replay.min_size is 1000, but must be at most replay.capacity, 999'),
    'negative priority exponent': (
        [_CARTPOLE, _WORKDIR, '--config.replay.priority_exponent=-0.1'],
        'replay.priority_exponent is -0.1, but must be at least 0'),
    'negative importance exponent': (
        [_CARTPOLE, _WORKDIR, '--config.replay.importance_exponent=-0.1'],
        'replay.importance_exponent is -0.1, but must be at least 0'),
    'zero actors': (
        [_CARTPOLE, _WORKDIR, '--config.actor.num_actors=0'],
        'actor.num_actors is 0, but must be at least 1'),
    'no step': (
        [_CARTPOLE, _WORKDIR, '--config.agent.n_step=0'],
        'agent.n_step is 0, but must be at least 1'),
    'learning rate that is no number': (
        [_CARTPOLE, _WORKDIR, '--config.dqn.learning_rate=nan'],
        'dqn.learning_rate is nan, but must be a finite number'),
    'infinite discount': (
        [_CARTPOLE, _WORKDIR, '--config.agent.discount=inf'],
        'agent.discount is inf, but must be a finite number'),
    'unknown agent': (
        [_CARTPOLE, _WORKDIR, '--config.agent.name=ppo'],
        "agent.name is 'ppo', but must be one of dqn"),
    'unknown suite': (
        [_CARTPOLE, _WORKDIR, '--config.environment.suite=doom'],
        "environment.suite is 'doom', but must be one of gymnasium, atari"),
    'unknown Atari game': (
        [_ATARI, _WORKDIR, '--config.environment.game=pongg'],
        "environment.game is 'pongg', but must be"),
    'no Atari game': (
        [_ATARI, _WORKDIR, '--config.environment.game='],
        "environment.game is '', but must be a task of the suite "
        'atari'),
    'unknown MinAtar game': (
        [_MINATAR, _WORKDIR, '--config.environment.game=pong'],
        "environment.game is 'pong', but must be one of asterix, breakout"),
    'unknown gymnasium id': (
        [_GYM, _WORKDIR, '--config.environment.id=CartPole-v77'],
        "environment.id is 'CartPole-v77', but must be an id that gymnasium "
        'knows'),
    'no gymnasium id': (
        [_GYM, _WORKDIR, '--config.environment.id='],
        "environment.id is '', but must be a task of the suite gymnasium"),
    'unknown module of a gymnasium id': (
        [_GYM, _WORKDIR, '--config.environment.id=no_such_module:Task-v0'],
        "environment.id is 'no_such_module:Task-v0', but must be an id that "
        'gymnasium can make'),
    'continuous actions': (
        [_GYM, _WORKDIR, '--config.environment.id=Pendulum-v1'],
        "environment.id is 'Pendulum-v1', but must be a task with discrete "
        'actions'),
    'images for vectors': (
        [_CARTPOLE, _WORKDIR, '--config.dqn.network=nature'],
        "dqn.network is 'nature', which takes images of at least 36x36, but "
        'must be one of mlp'),
    'vectors for images': (
        [_ATARI, _WORKDIR, '--config.dqn.network=mlp'],
        "dqn.network is 'mlp', which takes vectors, but must be one of "
        'nature, dqn2013, minatar'),
    'images too small': (
        [_MINATAR, _WORKDIR, '--config.dqn.network=nature'],
        "dqn.network is 'nature', which takes images of at least 36x36, but "
        'must be one of minatar'),
    'unknown network': (
        [_CARTPOLE, _WORKDIR, '--config.dqn.network=resnet'],
        "dqn.network is 'resnet', but must be one of mlp, nature, dqn2013, "
        'minatar'),
    'one port for two': (
        [_CARTPOLE, _WORKDIR, '--config.replay.port=23456',
         '--config.learner.port=23456'],
        'learner.port is 23456, but must differ from replay.port'),
    'port out of range': (
        [_CARTPOLE, _WORKDIR, '--config.replay.port=65536'],
        'replay.port is 65536, but must be at most 65535'),
    # --config.
    'no config': (
        [_WORKDIR], 'config is not given, but must be the path of a preset'),
    'an override only': (
        [_WORKDIR, '--config.actor.num_actors=3'],
        'config is not given, but must be the path of a preset'),
    'a misspelt flag for it': (
        ['--confg=configs/cartpole.py', _WORKDIR],
        'config is not given, but must be the path of a preset '
        '(--config=FILE); did you mean that by --confg?'),
    'missing config': (
        ['--config=no/such.py', _WORKDIR],
        "config is 'no/such.py', but must be the path of a preset that "
        'exists'),
    'missing config, in two words': (
        ['--config', 'no/such.py', _WORKDIR],
        "config is 'no/such.py', but must be the path of a preset that "
        'exists'),
    'a folder as config': (
        [f'--config={_ROOT}/configs', _WORKDIR],
        f"config is '{_ROOT}/configs', "),
    'preset that raises when it is imported': (
        ['--config=presets/raises.py', _WORKDIR],
        "config is 'presets/raises.py', which fails to load: "
        'ZeroDivisionError'),
    'preset that raises when it is called': (
        ['--config=presets/raises_later.py', _WORKDIR],
        "config is 'presets/raises_later.py', which fails to load: "
        'KeyError'),
    'preset that is not Python': (
        ['--config=presets/broken.py', _WORKDIR],
        "config is 'presets/broken.py', which fails to load: SyntaxError"),
    'preset without get_config': (
        ['--config=presets/empty.py', _WORKDIR],
        "config is 'presets/empty.py', which fails to load: "),
    'preset that returns nothing': (
        ['--config=presets/nothing.py', _WORKDIR],
        "config is 'presets/nothing.py', but must be a preset whose "
        'get_config() returns an apex_tf.config.Config, not NoneType'),
    'preset that returns another thing': (
        ['--config=presets/other.py', _WORKDIR],
        "config is 'presets/other.py', but must be a preset whose "
        'get_config() returns an apex_tf.config.Config, not ConfigDict'),
    'preset with a wrong type': (
        ['--config=presets/wrong_type.py', _WORKDIR],
        "agent.n_step is '3', but must be of type int"),
    'more replay than memory': (
        [_CARTPOLE, _WORKDIR, '--config.replay.capacity=10000000000'],
        'replay.capacity is 10000000000, but must be at most '),
    # Other flags.
    'stray argument': (
        [_CARTPOLE, _WORKDIR, 'actor.num_actors=3'],
        "'actor.num_actors=3' is not a flag; flags begin with --"),
    'unknown flag': (
        [_CARTPOLE, _WORKDIR, '--wrkdir=x'],
        "Unknown command line flag 'wrkdir'"),
    'unknown value of resume': (
        [_CARTPOLE, _WORKDIR, '--resume=always'], 'flag --resume=always'),
    'serial under Launchpad': (
        [_CARTPOLE, _WORKDIR, '--serial', '--lp_launch_type=local_mp'],
        "lp_launch_type is 'local_mp', but must not be given together with "
        '--serial'),
    'unknown launch type': (
        [_CARTPOLE, _WORKDIR, '--lp_launch_type=kubernetes'],
        'flag --lp_launch_type=kubernetes'),
    "another launch type of Launchpad's": (
        [_CARTPOLE, _WORKDIR, '--lp_launch_type=vertex_ai'],
        "lp_launch_type is 'vertex_ai', but must be one of local_mp, "
        'local_mt'),
    # --workdir.
    'no workdir': (
        [_CARTPOLE], 'workdir is not given, but must be the path of a run'),
    'empty workdir': (
        [_CARTPOLE, '--workdir='], 'workdir is'),
    'workdir below a file': (
        [_CARTPOLE, '--workdir=presets/empty.py/run'],
        "workdir is 'presets/empty.py/run', but must be"),
    'workdir is a file': (
        [_CARTPOLE, '--workdir=presets/empty.py'],
        "workdir is 'presets/empty.py', but must be a directory"),
    'workdir where no one may write': (
        [_CARTPOLE, '--workdir=/proc/no/run'],
        "workdir is '/proc/no/run', but must be"),
    'workdir of another run': (
        [_CARTPOLE, '--workdir=old', '--resume=auto',
         '--config.agent.n_step=5'],
        'agent.n_step is 5, but must be 10, as in the run of --workdir=old, '
        'or the run be started afresh with --resume=never'),
    'workdir of a run that cannot be read': (
        [_CARTPOLE, '--workdir=older'],
        "workdir is 'older', but must be of a run whose config.json can be "
        'read (agent.steps is not a field'),
    'workdir without the run to resume': (
        [_CARTPOLE, '--workdir=new', '--resume=must'],
        "workdir is 'new', but must be of a run that --resume=must can go on "
        'with'),
    'workdir that holds other things': (
        [_CARTPOLE, '--workdir=presets', '--resume=never'],
        "workdir is 'presets', but must be new or empty"),
}

_FILES = {
    'presets/raises.py': '1 / 0\n',
    'presets/raises_later.py': 'def get_config():\n  return {}["a\\nb"]\n',
    'presets/broken.py': 'def get_config(:\n',
    'presets/empty.py': '',
    'presets/nothing.py': 'def get_config():\n  pass\n',
    'presets/other.py': (
        'from ml_collections import ConfigDict\n'
        'def get_config():\n'
        '  return ConfigDict({"run": {"seed": 1}})\n'),
    'presets/wrong_type.py': (
        'from configs import cartpole\n'
        'def get_config():\n'
        '  config = cartpole.get_config()\n'
        '  config.agent.n_step = "3"\n'
        '  return config\n'),
    'old/config.json': cartpole.get_config().to_json() + '\n',
    'older/config.json': '{"agent": {"steps": 3}}\n',
}


def _files_below(directory):
  return sorted(str(path.relative_to(directory))
                for path in directory.rglob('*')
                if '__pycache__' not in path.parts)


def _assert_refused(result, said):
  code, out, err = result
  assert out == ''
  assert err.startswith(f'train.py: {said}'), err
  assert err.count('\n') == 1 and err.endswith('\n'), err
  assert code == 2


def _run(arguments, directory, **environment):
  process = subprocess.run(
      [sys.executable, '-m', 'launch.train', *arguments], cwd=directory,
      env={**_ENVIRONMENT, **environment}, capture_output=True, text=True,
      check=False, timeout=300)
  return process.returncode, process.stdout, process.stderr


@pytest.fixture(scope='module')
def refused(tmp_path_factory):
  """Results of all command lines by name, all run in one directory."""
  directory = tmp_path_factory.mktemp('command_lines')
  for name, text in _FILES.items():
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text(text)
  process = subprocess.run(
      [sys.executable, _ROOT / 'tests/launch/many_command_lines.py'],
      input=json.dumps([arguments for arguments, _ in _CASES.values()]),
      cwd=directory, env=_ENVIRONMENT, capture_output=True, text=True,
      check=False, timeout=600)
  assert process.returncode == 0, process.stderr
  assert _files_below(directory) == sorted(
      [*_FILES, 'old', 'older', 'presets'])
  return dict(zip(_CASES, json.loads(process.stdout)))


@pytest.mark.parametrize('name', _CASES)
def test_refused(refused, name):
  _assert_refused(refused[name], _CASES[name][1])


def test_refused_by_the_command_itself(tmp_path):
  _assert_refused(
      _run([_CARTPOLE, _WORKDIR, '--config.actor.num_actors=0'], tmp_path),
      'actor.num_actors is 0, but must be at least 1')
  assert not _files_below(tmp_path)


def test_refused_from_the_root_with_the_presets_named(tmp_path):
  _assert_refused(
      _run([f'--workdir={tmp_path}/run'], _ROOT),
      'config is not given, but must be the path of a preset '
      '(--config=FILE): one of configs/atari.py, configs/atari57.py')
  assert not _files_below(tmp_path)


def test_refused_from_the_root_with_the_nearest_preset(tmp_path):
  _assert_refused(
      _run(['--config=configs/minatr.py', f'--workdir={tmp_path}/run'], _ROOT),
      "config is 'configs/minatr.py', but must be the path of a preset that "
      'exists, such as configs/minatar.py')
  assert not _files_below(tmp_path)


def test_missing_extra(tmp_path):
  package = tmp_path / 'path' / 'minatar'
  package.mkdir(parents=True)
  (package / '__init__.py').write_text(
      'raise ImportError("No module named minatar")\n')
  _assert_refused(
      _run([_MINATAR, _WORKDIR], tmp_path,
           PYTHONPATH=f'{package.parent}:{_ROOT}'),
      "environment.suite is 'minatar', but must be one that is installed: pip "
      'install apex_tf[minatar]')
  assert not (tmp_path / 'new').exists()


@contextlib.contextmanager
def _listening(family, host):
  """The port of a socket that listens."""
  with socket.socket(family, socket.SOCK_STREAM) as listener:
    if family == socket.AF_INET6:
      listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # As Reverb's and Courier's: another may listen on the same port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, 0))
    listener.listen()
    yield listener.getsockname()[1]


@pytest.mark.parametrize('field, family, host', [
    ('replay.port', socket.AF_INET, '0.0.0.0'),
    ('learner.port', socket.AF_INET, '127.0.0.1'),
    ('replay.port', socket.AF_INET6, '::1'),
    ('learner.port', socket.AF_INET6, '::'),
])
def test_busy_port(tmp_path, field, family, host):
  with _listening(family, host) as port:
    _assert_refused(
        _run([_CARTPOLE, _WORKDIR, f'--config.{field}={port}'], tmp_path),
        f'{field} is {port}, but must be a free port, or 0 to pick one')
  assert not _files_below(tmp_path)


def test_help_is_not_an_error(tmp_path):
  code, out, _ = _run(['--help'], tmp_path)
  assert '--config:' in out and '--workdir:' in out and 'serial:' in out
  assert code in (0, 1)  # absl's own.
  assert not _files_below(tmp_path)


def test_refuse_is_one_line(capsys):
  with pytest.raises(SystemExit) as end:
    command_line.refuse('two\n  lines')
  assert end.value.code == 2
  _, err = capsys.readouterr()
  assert err.endswith(': two lines\n') and err.count('\n') == 1
