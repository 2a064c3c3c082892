"""Run directories, on a real file system and with real processes."""

import os
import pickle
import stat
import tempfile
import threading
import time

import pytest

from apex_tf import config as config_lib
from apex_tf.monitoring import run_directory as run_directory_lib


def _make_run(path, resume='auto'):
  directory = run_directory_lib.prepare(str(path), resume)
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
  directory = run_directory_lib.prepare(f'{path}/', 'auto')
  assert directory.path == str(path)
  assert directory.moved_aside is None
  assert stat.S_IMODE(path.stat().st_mode) == 0o700
  assert sorted(os.listdir(path)) == ['logs', 'roles', 'tensorboard']


def test_an_empty_directory_is_used(tmp_path):
  assert run_directory_lib.prepare(str(tmp_path), 'auto').path == str(tmp_path)


def test_a_relative_path_holds_when_the_process_moves(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  directory = run_directory_lib.prepare('run', 'auto')
  monkeypatch.chdir('/')
  assert directory.path == str(tmp_path / 'run')


def test_the_tilde_is_the_home_directory(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  assert run_directory_lib.RunDirectory('~/a').path == str(tmp_path / 'a')


def test_a_run_is_refused_and_left_as_it_is(tmp_path):
  path = tmp_path / 'run'
  _make_run(path)
  before = _tree(tmp_path)
  with pytest.raises(ValueError, match=(
      f"workdir is '{path}', which already holds a run; .*--resume=never")):
    run_directory_lib.prepare(str(path), 'auto')
  assert _tree(tmp_path) == before


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


def test_a_run_that_goes_on_is_not_moved(tmp_path, start_role):
  path = str(tmp_path / 'run')
  directory = _make_run(path)
  process = start_role(path, 'learner')
  with pytest.raises(ValueError, match=f'learner is process {process.pid}'):
    run_directory_lib.prepare(path, 'never')
  assert directory.find_failure() is None
  process.kill()
  process.wait()
  assert run_directory_lib.prepare(path, 'never').moved_aside == f'{path}.1'


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
@pytest.mark.parametrize('resume', ['auto', 'never'])
def test_bad_paths_are_refused_before_anything_is_written(
    make, allowed, resume, tmp_path):
  path = str(make(tmp_path))
  before = _tree(tmp_path)
  with pytest.raises(ValueError) as error:
    run_directory_lib.prepare(path, resume)
  assert error.match(f"^workdir is '{path}', but must be {allowed}")
  assert '\n' not in str(error.value)
  assert _tree(tmp_path) == before


def test_an_empty_path_and_a_wrong_resume_are_refused(tmp_path):
  with pytest.raises(ValueError, match="^workdir is '', but must be"):
    run_directory_lib.check('', 'auto')
  with pytest.raises(ValueError, match="^resume is 'yes', .* auto, never"):
    run_directory_lib.check(str(tmp_path), 'yes')


def test_unwritable_directories_are_refused():
  # Root may write anywhere: be nobody for a while.
  is_root = os.geteuid() == 0
  with tempfile.TemporaryDirectory() as root:
    os.mkdir(f'{root}/empty', mode=0o555)
    os.chmod(root, 0o555)
    if is_root:
      os.seteuid(65534)
    try:
      for name in ('empty', 'new', 'new/run'):
        with pytest.raises(ValueError, match=(
            f"^workdir is '{root}/{name}', but must be writable")):
          run_directory_lib.check(f'{root}/{name}', 'auto')
    finally:
      if is_root:
        os.seteuid(0)
      os.chmod(root, 0o755)


def test_status_config_and_summary_come_back(tmp_path, status, config):
  directory = run_directory_lib.prepare(str(tmp_path / 'run'), 'auto')
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


def test_a_summary_is_strict_json(tmp_path):
  directory = run_directory_lib.prepare(str(tmp_path / 'run'), 'auto')
  with pytest.raises(ValueError):
    directory.write_summary({'final_return_mean': float('nan')})
  assert directory.read_summary() is None


def test_a_reader_never_sees_half_a_status(tmp_path, status):
  directory = run_directory_lib.prepare(str(tmp_path / 'run'), 'auto')
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
  run_directory_lib.replace_file(str(path), 'old')
  with pytest.raises(TypeError):
    run_directory_lib.replace_file(str(path), 3)
  assert path.read_text() == 'old'
  assert os.listdir(tmp_path) == ['file']
