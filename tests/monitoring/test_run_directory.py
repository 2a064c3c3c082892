"""Run directories, on a real file system and with real processes."""

import json
import os
import pathlib
import pickle
import stat
import tempfile
import threading
import time

import pytest

from apex_tf import config as config_lib
from apex_tf import files
from apex_tf.monitoring import directory_checks
from apex_tf.monitoring import opening
from apex_tf.monitoring import role_records
from apex_tf.monitoring import run_directory as run_directory_lib
from apex_tf.monitoring import status as status_lib


def _make_run(path, resume='auto'):
  directory = opening.prepare(str(path), resume)
  directory.write_config(config_lib.Config())
  return directory


def _tree(path):
  return sorted(os.path.join(root, name) for root, dirs, files in os.walk(path)
                for name in dirs + files)


def test_names(tmp_path):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  root = str(tmp_path)
  assert directory.config_file == f'{root}/config.json'
  assert directory.status_file == f'{root}/status.json'
  assert directory.summary_file == f'{root}/summary.json'
  assert directory.learning_curve_file == f'{root}/learning_curve.png'
  assert directory.tensorboard_directory('actor_3') == (
      f'{root}/tensorboard/actor_3')
  assert directory.log_file('actor_12') == f'{root}/logs/actor/12'
  assert directory.log_file('learner') == f'{root}/logs/learner/0'
  assert pickle.loads(pickle.dumps(directory)).path == root


def test_prepare_makes_a_private_directory_and_its_parents(tmp_path):
  path = tmp_path / 'runs' / 'cartpole'
  directory = opening.prepare(f'{path}/', 'auto')
  assert directory.path == str(path)
  assert directory.moved_aside is None
  assert stat.S_IMODE(path.stat().st_mode) == 0o700
  assert sorted(os.listdir(path)) == ['logs', 'roles', 'tensorboard']


def test_an_empty_directory_is_used(tmp_path):
  assert opening.prepare(str(tmp_path), 'auto').path == str(tmp_path)


def test_a_relative_path_holds_when_the_process_moves(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  directory = opening.prepare('run', 'auto')
  monkeypatch.chdir('/')
  assert directory.path == str(tmp_path / 'run')


def test_the_tilde_is_the_home_directory(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  assert run_directory_lib.RunDirectory('~/a').path == str(tmp_path / 'a')


def _lived(path, status):
  """A run that has ended, with something in every place."""
  directory = _make_run(path)
  directory.write_status(status)
  directory.write_summary({'learner_steps': 7})
  for role in (role_records.LAUNCHER, 'learner'):
    directory.record_failure(role, 'no disk')
  for name in ('logs/launcher', 'logs/actor/0', 'tensorboard/learner/events.1',
               'checkpoints/learner/7', 'policy.npz', '.status.json.xyz'):
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_text(name)
  return directory


@pytest.mark.parametrize('resume', ['auto', 'must'])
def test_a_run_goes_on_and_nothing_is_lost(tmp_path, resume, status):
  path = tmp_path / 'run'
  config_text = pathlib.Path(
      _lived(path, status).config_file).read_text()
  directory = opening.prepare(str(path), resume, True)
  assert directory.resumed and directory.moved_aside is None
  # What could be mistaken for the ending of the new launch is out of the way.
  assert directory.read_roles() == {} and directory.find_failures() == []
  assert directory.read_summary() is None
  assert os.listdir(directory.logs_directory) == ['previous_1']
  previous = path / 'logs' / 'previous_1'
  assert {str(p.relative_to(previous)) for p in previous.rglob('*')
          if p.is_file()} == {
              'launcher', 'actor/0', 'roles/launcher.json',
              'roles/learner.json', 'summary.json', 'config.json',
              'status.json'}
  assert (previous / 'config.json').read_text() == config_text
  assert json.loads((previous / 'summary.json').read_text()) == {
      'learner_steps': 7}
  # And the rest stays where it was, less what was never finished.
  for name in ('tensorboard/learner/events.1', 'checkpoints/learner/7',
               'policy.npz'):
    assert (path / name).read_text() == name
  assert sorted(os.listdir(path)) == [
      'checkpoints', 'config.json', 'logs', 'policy.npz', 'roles',
      'status.json', 'tensorboard']


def test_the_status_of_a_run_that_goes_on(tmp_path, status):
  status.phase, status.stop_reason = status_lib.DONE, 'max_minutes'
  status.stalls, status.unsaved = ['actor_1 has not reported'], ['policy.npz']
  status.evaluations[-1].final = True
  _lived(tmp_path / 'run', status)
  directory = opening.prepare(str(tmp_path / 'run'), 'auto', True)
  shown = directory.read_status()
  assert (shown.phase, shown.stop_reason) == (status_lib.STARTING, '')
  assert (shown.stalls, shown.unsaved) == ([], [])
  assert (shown.replay.size, shown.actors, shown.rates) == (0, {}, {})
  assert not any(evaluation.final for evaluation in shown.evaluations)
  assert [e.mean for e in shown.evaluations] == [
      e.mean for e in status.evaluations]
  for count in ('learner_steps', 'agent_steps', 'episodes', 'wall_seconds'):
    assert getattr(shown, count) == getattr(status, count) > 0


@pytest.mark.parametrize('text', [None, '', '{"phase": "done", "new": 1}'])
def test_a_status_that_does_not_go_on(tmp_path, status, text):
  directory = _lived(tmp_path / 'run', status)
  if text is not None:  # Not readable, with a checkpoint; else without one.
    pathlib.Path(directory.status_file).write_text(text)
  opening.prepare(str(tmp_path / 'run'), 'auto', text is not None)
  assert directory.read_status() is None


def test_every_launch_has_its_own_logs(tmp_path, status):
  path = tmp_path / 'run'
  _lived(path, status)
  for number in range(1, 4):
    directory = opening.prepare(str(path), 'auto')
    (path / 'logs' / 'launcher').write_text(str(number))
  assert sorted(os.listdir(directory.logs_directory)) == [
      'launcher', 'previous_1', 'previous_2', 'previous_3']
  assert (path / 'logs/previous_2/launcher').read_text() == '1'
  assert (path / 'logs/previous_3/launcher').read_text() == '2'


def test_must_refuses_a_directory_without_a_run(tmp_path):
  for path in (tmp_path, tmp_path / 'new'):
    with pytest.raises(ValueError, match=(
        f"^workdir is '{path}', but must be of a run .*--resume=must")):
      opening.prepare(str(path), 'must')
  assert _tree(tmp_path) == []


def test_a_launch_that_was_killed_before_it_began_is_begun_again(tmp_path):
  path = tmp_path / 'run'
  directory = opening.prepare(str(path), 'auto')
  directory.record_failure('launcher', 'x')
  (path / '.config.json.abc').write_text('{')
  again = opening.prepare(str(path), 'auto')
  assert not again.resumed and again.read_roles() == {}
  assert sorted(os.listdir(path)) == ['logs', 'roles', 'tensorboard']


def test_never_moves_runs_aside(tmp_path):
  path = tmp_path / 'run'
  for number in range(3):
    directory = _make_run(path, 'never')
    directory.write_summary({'number': number})
  assert directory.moved_aside == f'{path}.2'
  assert directory.read_summary() == {'number': 2}
  numbers = [
      run_directory_lib.RunDirectory(f'{path}.{n}').read_summary()
      for n in (1, 2)
  ]
  assert numbers == [{'number': 0}, {'number': 1}]


@pytest.mark.parametrize('resume', ['auto', 'must', 'never'])
def test_a_run_that_goes_on_is_left_alone(tmp_path, start_role, resume):
  path = str(tmp_path / 'run')
  directory = _make_run(path)
  process = start_role(path, role_records.LAUNCHER)
  before = _tree(tmp_path)
  with pytest.raises(ValueError, match=f'launcher is process {process.pid}'):
    opening.prepare(path, resume)
  assert _tree(tmp_path) == before
  assert directory.find_failure() is None
  process.kill()
  process.wait()
  assert opening.prepare(path, resume).moved_aside == (
      f'{path}.1' if resume == 'never' else None)


def test_roles_of_a_killed_launcher_are_waited_for(
    tmp_path, start_role, monkeypatch):
  path = str(tmp_path / 'run')
  _make_run(path)
  process = start_role(path, 'learner')
  timer = threading.Timer(1.0, process.kill)
  start = time.monotonic()
  timer.start()
  assert opening.prepare(path, 'auto').resumed
  assert 0.5 < time.monotonic() - start < 9.0
  timer.join()
  process = start_role(path, 'actor_1')
  monkeypatch.setattr(directory_checks, '_ORPHAN_SECONDS', 0.3)
  with pytest.raises(ValueError, match=f'actor_1 is process {process.pid}'):
    opening.prepare(path, 'auto')


def _file(root):
  (root / 'run').write_text('')
  return root / 'run'


def _below_a_file(root):
  return _file(root) / 'run'


def _foreign(root):
  (root / 'thesis.tex').write_text('')
  return root


def _dangling(root):
  (root / 'run').symlink_to(root / 'nowhere')
  return root / 'run'


def _too_long(root):
  return root / ('a' * 300)


@pytest.mark.parametrize('make, allowed', [
    (_file, 'a directory, not a file'),
    (_below_a_file, 'the path of a directory'),
    (_foreign, 'new or empty: it holds files that are not of a run'),
    (_dangling, 'a directory'),
    (_too_long, 'the path of a directory .*too long'),
])
@pytest.mark.parametrize('resume', ['auto', 'must', 'never'])
def test_bad_paths_are_refused_before_anything_is_written(
    make, allowed, resume, tmp_path):
  path = str(make(tmp_path))
  before = _tree(tmp_path)
  if resume == 'must':
    allowed = f'({allowed}|of a run that)'
  with pytest.raises(ValueError) as error:
    opening.prepare(path, resume)
  assert error.match(f"^workdir is '{path}', but must be {allowed}")
  assert '\n' not in str(error.value)
  assert _tree(tmp_path) == before


def test_an_empty_path_and_a_wrong_resume_are_refused(tmp_path):
  with pytest.raises(ValueError, match="^workdir is '', but must be"):
    opening.check('', 'auto')
  with pytest.raises(ValueError, match="^resume is 'yes', .* auto, never, mu"):
    opening.check(str(tmp_path), 'yes')


def test_unwritable_directories_are_refused():
  # Root may write anywhere: be nobody for a while.
  is_root = os.geteuid() == 0
  with tempfile.TemporaryDirectory() as root:
    os.mkdir(f'{root}/empty', mode=0o555)
    os.mkdir(f'{root}/secret', mode=0o000)
    _make_run(f'{root}/run')
    os.chmod(f'{root}/run/logs', 0o555)  # One of its parts is enough.
    os.chmod(f'{root}/run/roles', 0o777)
    os.chmod(f'{root}/run', 0o777)
    os.chmod(root, 0o555)
    if is_root:
      os.seteuid(65534)
    try:
      for name in ('empty', 'new', 'new/run', 'run'):
        with pytest.raises(ValueError, match=(
            f"^workdir is '{root}/{name}', but must be writable")):
          opening.check(f'{root}/{name}', 'auto')
      with pytest.raises(ValueError, match='must be a directory that may be r'):
        opening.check(f'{root}/secret', 'auto')
    finally:
      if is_root:
        os.seteuid(0)
      os.chmod(root, 0o755)


def test_status_config_and_summary_come_back(tmp_path, status, config):
  directory = opening.prepare(str(tmp_path / 'run'), 'auto')
  assert directory.read_status() is None
  assert directory.read_summary() is None
  assert directory.status_age_seconds() == 0.0
  directory.write_status(status)
  directory.write_config(config)
  directory.write_summary({'final_return_mean': 1.5})
  assert directory.read_status() == status
  assert directory.read_config() == config
  assert directory.read_summary() == {'final_return_mean': 1.5}
  assert sorted(os.listdir(directory.path)) == [
      'config.json', 'logs', 'roles', 'status.json', 'summary.json',
      'tensorboard']
  os.utime(directory.status_file, (time.time() - 60, time.time() - 60))
  assert 60.0 <= directory.status_age_seconds() < 120.0
  # Of a clock that has been set back.
  os.utime(directory.status_file, (time.time() + 999, time.time() + 999))
  assert directory.status_age_seconds() == 0.0


def test_a_summary_is_strict_json(tmp_path):
  directory = opening.prepare(str(tmp_path / 'run'), 'auto')
  with pytest.raises(ValueError):
    directory.write_summary({'final_return_mean': float('nan')})
  assert directory.read_summary() is None


def test_a_reader_never_sees_half_a_status(tmp_path, status):
  directory = opening.prepare(str(tmp_path / 'run'), 'auto')
  status.evaluations = status.evaluations * 50
  directory.write_status(status)
  stop = threading.Event()

  def write():
    while not stop.is_set():
      directory.write_status(status)

  writer = threading.Thread(target=write)
  writer.start()
  try:
    for _ in range(50):
      assert len(directory.read_status().evaluations) == 150
  finally:
    stop.set()
    writer.join()


def test_a_failed_write_leaves_what_was_there(tmp_path):
  path = tmp_path / 'file'
  files.replace_file(str(path), 'old')
  with pytest.raises(TypeError):
    files.replace_file(str(path), 3)
  assert path.read_text() == 'old'
  assert os.listdir(tmp_path) == ['file']
