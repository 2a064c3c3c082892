"""Replay of a real program, killed or stopped, goes on with what it held."""

import os
import pathlib
import re
import signal
from typing import NamedTuple

from reverb.cc.checkpointing import checkpoint_pb2
import tensorflow as tf

from apex_tf.monitoring import run_directory
from tests.faults import checkpoints
from tests.integration import programs

_CHECKPOINTS = '--config.replay.checkpoint_minutes=0.03'


class _Counts(NamedTuple):
  """Transitions in a table, and those ever inserted."""
  items: int
  inserts: int


def _saved(workdir: pathlib.Path) -> _Counts:
  """Of the newest checkpoint, from Reverb's own file."""
  # Which, unlike the program's own search, tidies nothing up under it.
  found = checkpoints.Checkpoints(workdir / 'checkpoints' / 'replay').newest()
  if found is None:
    return _Counts(0, 0)
  record, = tf.data.TFRecordDataset(f'{found.path}/tables.tfrecord')
  table = checkpoint_pb2.PriorityTableCheckpoint.FromString(record.numpy())
  return _Counts(len(table.items), table.rate_limiter.insert_count)


def _restored(workdir: pathlib.Path):
  """What replay says it has restored, in order."""
  return [_Counts(*map(int, numbers)) for numbers in re.findall(
      r'Restored (\d+) transitions of replay, of (\d+) ever inserted, from ',
      (workdir / 'logs/replay/0').read_text())]


def test_killed_and_stopped(launch, tmp_path):
  workdir = tmp_path / 'run'
  program = launch(_CHECKPOINTS)
  program.wait_until(lambda: program.phase() == 'learning')
  program.wait_until(lambda: _saved(workdir).items > 200)
  killed = program.role_pid('replay')
  os.kill(killed, signal.SIGSTOP)  # No checkpoint comes in between.
  saved = _saved(workdir)
  os.kill(killed, signal.SIGKILL)
  program.wait_until(lambda: _restored(workdir))
  assert _restored(workdir) == [saved]
  directory = run_directory.RunDirectory(str(workdir))
  # The status is up to a second old, so its counts say nothing at once.
  program.wait_until(
      lambda: directory.read_status().replay.inserts > saved.inserts)
  steps = directory.read_status().learner_steps
  program.wait_until(
      lambda: directory.read_status().learner_steps > steps + 50)
  assert 'Replay is empty' not in (workdir / 'logs/replay/0').read_text(
      ).split('killed by SIGKILL')[1]

  program.terminate()
  code, out, err = program.wait()
  assert code == 0, err
  assert 'Replay checkpoints: up to ' in out
  saved = _saved(workdir)
  assert saved.items == 1000 or saved.inserts < 1000
  assert saved.inserts >= directory.read_status().replay.inserts

  steps = programs.read_json(workdir / 'summary.json')['learner_steps']
  program = launch(
      _CHECKPOINTS, f'--config.run.max_learner_steps={steps + 50}')
  code, out, err = program.wait()
  assert code == 0, err
  assert re.match(
      rf'Resuming {workdir} from learner step {steps:,} of .* ago; replay has '
      rf'the {saved.items:,} transitions of .* ago\n', out)
  assert _restored(workdir) == [saved]
  assert programs.read_json(
      workdir / 'summary.json')['learner_steps'] == steps + 50
  assert not program.survivors()
  assert sorted(os.listdir(workdir / 'checkpoints')) == ['learner', 'replay']
  assert len(os.listdir(workdir / 'checkpoints' / 'replay')) == 1


def test_serial(launch, tmp_path):
  workdir = tmp_path / 'run'
  flags = ('--serial', _CHECKPOINTS, '--config.replay.min_size=500')
  code, _, err = launch(*flags, '--config.run.max_learner_steps=50').wait()
  assert code == 0, err
  first = programs.read_json(workdir / 'summary.json')
  assert first['agent_steps'] >= 500
  saved = _saved(workdir).items
  assert saved >= 500
  code, out, err = launch(*flags, '--config.run.max_learner_steps=100').wait()
  assert code == 0, err
  assert f'replay has the {saved:,} transitions of ' in out
  second = programs.read_json(workdir / 'summary.json')
  assert second['learner_steps'] == 100
  # Replay did not have to be filled once more.
  assert second['agent_steps'] - first['agent_steps'] < 500
