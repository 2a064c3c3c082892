"""Mistakes in the commands of single roles: one line, exit code 2, nothing
written. What they do when all is well is in `tests/cluster`."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from configs import cartpole

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_CARTPOLE = f'--config={_ROOT}/configs/cartpole.py'
_ALL = [_CARTPOLE, '--workdir=new']
_SHARDS = '--config.replay.shards=2'
_ACTOR = [*_ALL, '--replay=a:1', '--learner=b:2']

# Of each command: what it is given, and how the line begins after its name.
_CASES = {
    'replay': [
        (_ALL, 'port is None, but must be a TCP port, from 1 to 65535'),
        ([*_ALL, '--port=0'], 'port is 0, but must be a TCP port'),
        ([*_ALL, '--port=65536'], 'port is 65536, but must be a TCP port'),
        ([*_ALL, '--port=5', _SHARDS],
         'shard is not given, but must be a number from 0 to 1, or '
         'JOB_COMPLETION_INDEX be set, or SLURM_PROCID be set'),
        ([*_ALL, '--port=5', _SHARDS, '--shard=2'],
         'shard is 2, but must be from 0 to 1'),
        ([*_ALL, '--port=5', '--config.replay.capacity=1000000000000'],
         'replay.capacity is 1000000000000, but must be at most'),
        ([*_ALL, '--port=5', '--config.replay.shards=5'],
         'replay.shards is 5, but must be a divisor of learner.batch_size'),
        ([_CARTPOLE, '--port=5'],
         'workdir is not given, but must be the path of a directory'),
        ([_CARTPOLE, '--port=5', '--workdir=other'],
         'agent.n_step is 10, but must be 4, as in the run of --workdir=other, '
         'or another --workdir be given'),
        ([_CARTPOLE, '--port=5', '--workdir=file'],
         "workdir is 'file', but must be a directory that can be written to"),
        (['--port=5', '--workdir=new'], 'config is not given'),
        ([*_ALL, '--port=5', '--flagfile=nowhere'], ''),
    ],
    'learner': [
        ([*_ALL, '--port=5'],
         'replay is not given, but must be host:port (--replay=HOST:PORT)'),
        ([*_ALL, '--port=5', '--replay=host'],
         "replay is 'host', but must be host:port, unlike 'host'"),
        ([*_ALL, '--port=5', '--replay=host:99999'],
         "replay is 'host:99999', but must be host:port"),
        ([*_ALL, '--port=5', '--replay=a:1,b:2'],
         "replay is 'a:1,b:2', but must be one address"),
        ([*_ALL, '--port=5', '--replay=a:1', _SHARDS],
         "replay is 'a:1', but must be 2 different addresses, of the shards "
         'of replay.shards 2'),
        ([*_ALL, '--port=5', '--replay=a:1,a:1', _SHARDS],
         "replay is 'a:1,a:1', but must be 2 different addresses"),
    ],
    'actor': [
        (_ACTOR, 'actor_index is not given, but must be a number from 0 to 1'),
        ([*_ACTOR, '--actor_index=2'],
         'actor_index is 2, but must be from 0 to 1'),
        ([*_ACTOR, '--actor_index=3', '--num_actors=3'],
         'actor_index is 3, but must be from 0 to 2'),
        ([*_ACTOR, '--actor_index=0', '--num_actors=0'],
         'actor.num_actors is 0, but must be at least 1'),
        ([*_ACTOR, '--actor_index=first'], 'flag --actor_index=first'),
        ([*_ACTOR, '--actor_index=0', '--variables=c'],
         "variables is 'c', but must be host:port"),
        ([*_ALL, '--replay=a:1', '--actor_index=0'],
         'learner is not given, but must be host:port'),
        ([*_ACTOR, '--actor_index=0', '--wait_minutes=-1'],
         'flag --wait_minutes=-1'),
    ],
    'evaluator': [(_ALL, 'learner is not given, but must be host:port')],
    'variable_cache': [
        ([*_ALL, '--learner=b:2'], 'port is None, but must be a TCP port'),
        ([*_ALL, '--learner=b:2', '--port=5', '--index=-1'],
         'index is -1, but must be at least 0'),
    ],
}


@pytest.mark.parametrize('command', _CASES)
def test_refused(command, tmp_path):
  other = cartpole.get_config()
  other.agent.n_step = 4
  (tmp_path / 'other').mkdir()
  (tmp_path / 'other' / 'config.json').write_text(other.to_json())
  (tmp_path / 'file').write_text('')
  before = sorted(tmp_path.rglob('*'))
  process = subprocess.run(
      [sys.executable, _ROOT / 'tests/launch/many_command_lines.py', command],
      input=json.dumps([arguments for arguments, _ in _CASES[command]]),
      cwd=tmp_path, env={**os.environ, 'PYTHONPATH': str(_ROOT)},
      capture_output=True, text=True, check=False, timeout=600)
  assert process.returncode == 0, process.stderr
  results = json.loads(process.stdout)
  for (arguments, said), (code, out, err) in zip(
      _CASES[command], results, strict=True):
    assert (code, out) == (2, ''), (arguments, err)
    assert err.startswith(f'{command}.py: {said}'), err
    assert err.count('\n') == 1 and err.endswith('\n'), err
  assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize('name, value, said', [
    ('JOB_COMPLETION_INDEX', '7',
     'JOB_COMPLETION_INDEX is 7, but must be from 0 to 1'),
    ('SLURM_PROCID', 'x', "SLURM_PROCID is 'x', but must be a number")])
def test_an_index_from_an_engine(name, value, said, tmp_path):
  process = subprocess.run(
      [sys.executable, '-m', 'launch.actor', *_ACTOR], cwd=tmp_path,
      env={**os.environ, 'PYTHONPATH': str(_ROOT), name: value},
      capture_output=True, text=True, check=False, timeout=300)
  assert (process.returncode, process.stdout) == (2, '')
  assert process.stderr == f'actor.py: {said}\n'
