"""The harness sees what it is to see, of files and processes made for it."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import reverb

from apex_tf import checkpoint_directory
from apex_tf.monitoring import status as status_lib
from tests.faults import checkpoints
from tests.faults import faults
from tests.faults import harness
from tests.faults import inspector
from tests.faults import watched_run


def _plan(seed: int, count: int):
  return [(planned.fault.kind, planned.fault.target, planned.pause_seconds)
          for planned in harness.draw(seed, count, 1.0, 1.0)]


@pytest.fixture
def run(tmp_path: pathlib.Path) -> watched_run.WatchedRun:
  """One that was not started; its directory is there."""
  (tmp_path / 'run' / 'roles').mkdir(parents=True)
  return watched_run.WatchedRun(tmp_path, tmp_path / 'run')


def _save(path: pathlib.Path, number: int) -> None:
  def write(directory: str) -> None:
    for name in ('one', 'two'):
      (pathlib.Path(directory) / name).write_text(f'{name} of {number}')
  checkpoint_directory.CheckpointDirectory(str(path)).save(number, write)


@pytest.mark.parametrize('seed', range(5))
def test_every_kind_comes_before_any_comes_again(seed):
  count = len(harness.KINDS)
  kinds = [kind for kind, _, _ in _plan(seed, 3 * count)]
  for start in range(0, 3 * count, count):
    assert sorted(kinds[start:start + count]) == sorted(harness.KINDS)


def test_every_role_gets_every_signal():
  faults = _plan(0, 5 * len(harness.KINDS))
  for kind in ('SIGKILL', 'SIGTERM', 'SIGSTOP'):
    assert sorted(target for name, target, _ in faults if name == kind) == (
        sorted(watched_run.ROLES))


def test_the_order_is_of_the_seed():
  assert _plan(1, 20) == _plan(1, 20)
  assert _plan(1, 20) != _plan(2, 20)


@pytest.mark.parametrize('seed', range(10))
def test_flipped_bytes_are_seen(tmp_path, seed):
  """By the harness and by the program, whichever file they are in."""
  for number in (5, 7):
    _save(tmp_path, number)
  seen = checkpoints.Checkpoints(tmp_path)
  assert [checkpoint.number for checkpoint in seen.whole()] == [7, 5]
  checkpoints.flip_bytes(seen.whole()[0], np.random.default_rng(seed))
  assert [checkpoint.number for checkpoint in seen.whole()] == [5]
  found = checkpoint_directory.CheckpointDirectory(str(tmp_path)).find_newest()
  assert found is not None and found.step == 5


def test_a_checkpoint_without_its_manifest_is_not_whole(tmp_path):
  _save(tmp_path, 5)
  (tmp_path / f'{5:012d}' / 'manifest.json').unlink()
  assert not checkpoints.Checkpoints(tmp_path).whole()


def test_transitions_of_a_checkpoint_are_counted(tmp_path, serve):
  table = reverb.Table(
      'transitions', reverb.selectors.Prioritized(0.6), reverb.selectors.Fifo(),
      max_size=200, rate_limiter=reverb.rate_limiters.MinSize(1))
  client = serve([table]).localhost_client()
  for value in range(300):
    client.insert([np.float32(value)], {'transitions': 1.0})
  path = pathlib.Path(client.checkpoint())
  assert checkpoints.read_replay_counts(checkpoints.Checkpoint(1, path)) == (
      checkpoints.ReplayCounts(items=200, inserts=300))


@pytest.fixture
def full_disk(run):
  """What the check says of a status after a killed role; see `saved`."""

  def check(role, **status):
    run.directory.write_status(status_lib.RunStatus(**status))
    saved = checkpoints.Checkpoint(30, run.workdir)
    before = inspector.Before(
        status_lib.RunStatus(), [saved],
        [(saved, checkpoints.ReplayCounts(items=40, inserts=90))],
        checkpoints.Counts(), {}, {})
    return faults.FullDisk(role, 1.0).check(
        faults.Scene(run, None, inspector.Inspector(run)),
        inspector.Aftermath(
            before, {role}, 0.0, checkpoints.Counts(), '', before.replay))

  return check


def test_a_replay_that_was_lost_on_a_full_disk_is_seen(full_disk):
  def counts(size, inserts):
    return status_lib.ReplayStatus(size=size, inserts=inserts, capacity=50)
  assert full_disk('replay', replay=counts(41, 91)) == (
      'replay not below 40 of 90')
  for lost in (counts(50, 89), counts(39, 91)):
    with pytest.raises(inspector.Unsurvived, match='after its checkpoint'):
      full_disk('replay', replay=lost)


def test_a_learner_that_was_lost_on_a_full_disk_is_seen(full_disk):
  assert full_disk('learner', learner_steps=30) == 'learner not below step 30'
  with pytest.raises(inspector.Unsurvived, match='after its checkpoint'):
    full_disk('learner', learner_steps=29)
  assert not full_disk('actor_0')


def test_checkpoints_that_are_too_many_are_seen(run):
  for kind, count in (('learner', 4), ('replay', 2)):
    for number in range(1, count + 1):
      (run.workdir / 'checkpoints' / kind / f'{number:012d}').mkdir(
          parents=True)
  assert inspector.Inspector(run).excess() == {
      str(run.workdir / 'checkpoints' / kind / f'{1:012d}')
      for kind in ('learner', 'replay')}


@pytest.mark.parametrize('lost', checkpoints.Counts._fields)
def test_counts_that_go_back_are_seen(run, lost):
  counts = checkpoints.Counts(30, 20, 10)
  run.directory.write_status(
      status_lib.RunStatus(**{**counts._asdict(), lost: counts[0] // 4}))
  with pytest.raises(inspector.Unsurvived, match='counts went back'):
    inspector.Inspector(run).wait_for_learning(counts, {})


def test_files_that_were_to_be_temporary_are_seen(run):
  for name in ('status.json', '.status.json.x1', 'roles/replay.json.new'):
    (run.workdir / name).touch()
  assert inspector.Inspector(run).leftovers() == {
      str(run.workdir / name)
      for name in ('.status.json.x1', 'roles/replay.json.new')}


@pytest.mark.parametrize('place', [
    lambda run: run.temporary_directory,
    lambda run: run.directory.temporary_directory])
def test_processes_that_have_left_the_session_are_seen(run, place):
  process = subprocess.Popen(
      [sys.executable, '-c', 'print(1, flush=True); input()'],
      stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
      env={**os.environ, 'TMPDIR': str(place(run))})
  try:
    assert process.stdout.readline() == b'1\n'
    assert [found.pid for found in run.processes()] == [process.pid]
  finally:
    process.communicate(b'\n')
  assert not run.processes()


def test_the_table_has_each_fault_and_the_worst_of_each_kind():
  assert harness.table([
      harness.Row(1, 'SIGKILL', 'replay', 'gone', 4.0),
      harness.Row(2, 'SIGKILL', 'learner', 'gone', 9.0),
      harness.Row(3, 'SIGKILL', 'replay', 'gone', 5.0),
  ]).splitlines()[2:] == [
      '| 1 | SIGKILL | replay | gone | 4.0 s |',
      '| 2 | SIGKILL | learner | gone | 9.0 s |',
      '| 3 | SIGKILL | replay | gone | 5.0 s |',
      '',
      '| fault | times | median | worst |',
      '|---|--:|--:|--:|',
      '| SIGKILL | 3 | 5.0 s | 9.0 s |',
  ]
