"""Files of a run on a disk that is full, or may not be written to."""

import os

import pytest

from apex_tf.monitoring import files
from apex_tf.monitoring import role_records
from apex_tf.monitoring import run_directory as run_directory_lib

# More than a disk on which there is no room takes, however it counts.
_TEXT = 'x' * 10_000


def _forbid(disk):
  disk.forbid_writing()


def _fill(disk):
  disk.fill()


def _allow(disk):
  disk.forbid_writing(False)


def _empty(disk):
  disk.make_room()


_TROUBLES = pytest.mark.parametrize(
    'trouble, relief', [(_fill, _empty), (_forbid, _allow)])


@_TROUBLES
def test_what_cannot_be_written_is_logged_once(
    small_disk, trouble, relief, caplog):
  path = small_disk.path / 'file'

  def write():
    return files.attempt(
        str(path), lambda: files.replace_file(str(path), _TEXT))

  files.replace_file(str(path), 'old')
  trouble(small_disk)
  before, failed = set(os.listdir(small_disk.path)), files.failed_writes()
  for _ in range(3):
    assert not write()
  assert path.read_text() == 'old'
  assert set(os.listdir(small_disk.path)) == before
  assert files.failed_writes() == failed + 3
  relief(small_disk)
  for _ in range(2):
    assert write()
  assert path.read_text() == _TEXT
  said = [r.getMessage() for r in caplog.records]
  assert len(said) == 2, said
  assert said[0].startswith(f'{path} is not written: [Errno ')
  assert said[1] == f'{path} is written again.'


def test_other_errors_are_not_hidden(tmp_path):
  with pytest.raises(TypeError):
    files.attempt('a file', lambda: files.replace_file(
        str(tmp_path / 'file'), 3))


def test_check_room(small_disk):
  files.check_room(str(small_disk.path), 1 << 20)
  assert os.listdir(small_disk.path) == []
  with pytest.raises(OSError, match='No space'):
    files.check_room(str(small_disk.path), 5 << 20)
  assert os.listdir(small_disk.path) == []
  small_disk.forbid_writing()
  with pytest.raises(OSError, match='Read-only'):
    files.check_room(str(small_disk.path))


@_TROUBLES
def test_a_run_directory_outlives_it(small_disk, trouble, relief, status,
                                     config):
  directory = run_directory_lib.prepare(str(small_disk.path / 'run'), 'auto')
  directory.write_config(config)
  directory.write_status(status)
  directory.record_start('learner')
  trouble(small_disk)
  before = {name: sorted(os.listdir(name))
            for name in (directory.path, directory.roles_directory)}
  status.evaluations = status.evaluations * 100
  directory.write_status(status)
  directory.write_summary({'text': _TEXT})
  directory.record_failure('learner', _TEXT)
  with pytest.raises(OSError):  # Of a file that somebody has asked for.
    directory.write_evaluation({'text': _TEXT})
  record = directory.read_roles()['learner']
  with pytest.raises(OSError):
    role_records.write(
        os.path.join(directory.roles_directory, 'learner.json'),
        role_records.RoleRecord.of_this_process('learner', 'failed', _TEXT))
  assert record.state == 'running'
  assert {name: sorted(os.listdir(name)) for name in before} == before
  assert len(directory.read_status().evaluations) == 3
  relief(small_disk)
  directory.write_status(status)
  directory.record_stop('learner')
  assert len(directory.read_status().evaluations) == 300
  assert directory.read_roles()['learner'].state == 'stopped'


@_TROUBLES
@pytest.mark.parametrize('resume', ['auto', 'never'])
def test_no_run_begins_there(small_disk, trouble, relief, config, resume):
  old = run_directory_lib.prepare(str(small_disk.path / 'old'), 'auto')
  old.write_config(config)
  trouble(small_disk)

  def tree():
    return sorted(f'{root}/{name}' for root, folders, names in os.walk(
        small_disk.path) for name in folders + names)

  before = tree()
  for name in ('new', 'new/run', 'old'):
    path = str(small_disk.path / name)
    with pytest.raises(ValueError, match=(
        f"^workdir is '{path}', but must be (writable|a directory that can be "
        'written to .*(No space left|Read-only))')):
      run_directory_lib.prepare(path, resume)
    assert tree() == before
  relief(small_disk)
  assert run_directory_lib.prepare(
      str(small_disk.path / 'old'), 'auto').resumed
