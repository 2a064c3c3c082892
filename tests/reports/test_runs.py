"""A run is read as it is, or refused by name."""

import os

import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf.reports import event_files
from apex_tf.reports import runs
from tests.reports import made_runs


def _status(**others):
  return made_runs.make_status(
      [made_runs.make_evaluation(100, [1.0, 3.0])], **others)


def test_a_run_that_has_ended(tmp_path):
  directory = made_runs.write_run(
      tmp_path / 'run', config_lib.Config(), _status())
  summary = made_runs.read_json(tmp_path / 'run' / 'summary.json')
  summary['versions'] = {'python': '3.10.99'}
  directory.write_summary(summary)
  run = runs.read(directory.path, 'mine')
  assert run.name == 'mine' and run.has_ended
  assert run.summary == summary
  assert [point.mean for point in run.evaluations] == [2.0]
  assert set(run.events) == {'learner', 'actor_0', 'replay'}
  assert run.roles('actor') == ['actor_0']
  assert run.roles('evaluator') == []


def test_a_run_that_goes_on_is_summed_up_by_its_status(tmp_path):
  directory = made_runs.write_run(
      tmp_path / 'run', config_lib.Config(), _status(stop_reason=''),
      has_ended=False)
  os.utime(directory.status_file, (1.0, 1.0))
  run = runs.read(directory.path, 'run')
  assert not run.has_ended
  assert run.summary['final_return_mean'] == 2.0
  assert run.summary['learner_steps_per_second'] == 1.0
  assert run.status_age_seconds > 1e9


def test_what_has_no_results_is_refused(tmp_path):
  path = str(tmp_path / 'run')
  directory = made_runs.write_run(tmp_path / 'run', config_lib.Config(), None)
  with pytest.raises(ValueError, match=f"^'{path}' is a run without results: "
                     'it has no status.json yet'):
    runs.read(path, 'run')
  directory.write_status(made_runs.make_status([]))
  with pytest.raises(ValueError, match=f"^'{path}' is a run without results: "
                     'it has no evaluation yet'):
    runs.read(path, 'run')


@pytest.mark.parametrize('name, text, said', [
    ('config.json', '{"agent": {"n_stepp": 3}}', 'n_stepp is not a field'),
    ('config.json', '{"agent"', 'is corrupt'),
    ('status.json', '{"phase": "done"', 'is corrupt'),
    ('status.json', '{"phase": "done"}', 'KeyError'),
    ('status.json', '[]', 'TypeError'),
    ('summary.json', '\xff{', 'is corrupt'),
    ('summary.json', '[1]', 'TypeError'),
])
def test_a_corrupt_file_is_named(tmp_path, name, text, said):
  directory = made_runs.write_run(
      tmp_path / 'run', config_lib.Config(), _status())
  (tmp_path / 'run' / name).write_text(text)
  with pytest.raises(ValueError, match=f'^{tmp_path}/run/{name} .*{said}'):
    runs.read(directory.path, 'run')


def test_a_corrupt_event_file_is_named(tmp_path):
  directory = made_runs.write_run(
      tmp_path / 'run', config_lib.Config(), _status())
  (path,) = made_runs.event_files(directory, 'replay')
  made_runs.flip_bit(path, 0.6)
  with pytest.raises(ValueError, match=f'^{path} is a corrupt event file'):
    runs.read(directory.path, 'run')


def test_the_time_between_two_launches_does_not_count(tmp_path):
  directory = made_runs.write_run(
      tmp_path / 'run', config_lib.Config(), _status())
  run = runs.read(directory.path, 'run')
  # A minute, a day of nothing, and two minutes.
  spans = [(1000.0, 1060.0), (90_000.0, 90_120.0)]
  run.events['learner'] = event_files.RoleEvents({}, spans)
  np.testing.assert_allclose(
      run.minutes(np.array([970.0, 1000, 1030, 1060, 50_000, 90_060, 90_180])),
      [-0.5, 0.0, 0.5, 1.0, 1.0, 2.0, 4.0])
  np.testing.assert_allclose(run.restart_minutes(), [1.0])
