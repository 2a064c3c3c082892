"""A real run that is measured, paused and ended."""

import os
import pathlib
import tempfile
import time

import psutil
import pytest

from apex_tf.benchmarks import programs
from apex_tf.benchmarks import workers

_PRESET = 'configs/cartpole.py'
_SMALL = programs.flags_of({
    'replay.min_size': 200, 'actor.num_actors': 1,
    'actor.environments_per_actor': 2, 'learner.batch_size': 8})


def _runs(session):
  found = []
  for process in psutil.process_iter():
    try:
      if os.getsid(process.pid) == session and (
          process.status() != psutil.STATUS_ZOMBIE):
        found.append(process)
    except (ProcessLookupError, psutil.NoSuchProcess):
      continue
  return found


def test_a_run_is_measured_paused_and_ended(tmp_path, monkeypatch):
  monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
  with programs.Program(_PRESET, *_SMALL) as running:
    session = running._process.pid
    assert 1.0 < running.wait_for_learning() < 1200.0
    running.wait_for_acting(1)
    first = running.measure(2.0)
    assert first['seconds'] >= 2.0
    assert first['transitions'] > 0 and first['learner_steps'] > 0
    # Launcher, and supervisor and role of four kinds: all are stopped.
    # The kernel stops a busy one at its next turn.
    deadline = time.monotonic() + 60.0
    while (states := [process.status() for process in _runs(session)]) != (
        [psutil.STATUS_STOPPED] * 9):
      assert time.monotonic() < deadline, states
      time.sleep(0.05)
    assert running.measure(2.0)['transitions'] > 0
    assert list(tmp_path.iterdir())
  assert not _runs(session)
  assert not list(tmp_path.iterdir())


def test_a_run_that_ends_is_an_error_with_what_it_said():
  with programs.Program(
      _PRESET, '--config.actor.num_actors=0') as running:
    with pytest.raises(workers.WorkerError, match=r'exit code 2(.|\n)*'
                       'actor.num_actors is 0'):
      running.wait_for_learning()


def test_it_runs_wherever_it_is_started(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert not pathlib.Path(_PRESET).exists()
  with programs.Program(_PRESET, '--config.run.seed=-1') as running:
    with pytest.raises(workers.WorkerError, match='run.seed is -1'):
      running.wait_for_learning()
