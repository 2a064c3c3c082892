"""Files on a disk that is full, or may not be written to."""

import os

import pytest
import tensorflow as tf

from apex_tf import files
from tests import small_disk as small_disk_lib

# More than a disk on which there is no room takes, however it counts.
_TEXT = 'x' * 10_000


_TROUBLES = pytest.mark.parametrize(
    'trouble, relief', small_disk_lib.TROUBLES.values(),
    ids=small_disk_lib.TROUBLES)


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
def test_no_room_is_told_from_other_reasons(small_disk, trouble, relief):
  path = str(small_disk.path / 'file')
  trouble(small_disk)
  with pytest.raises(OSError) as caught:
    files.replace_file(path, _TEXT)
  assert files.is_no_room(caught.value)
  with pytest.raises(tf.errors.OpError) as caught:
    tf.train.Checkpoint(v=tf.Variable(tf.zeros(100_000))).write(path)
  assert files.is_no_room(caught.value)
  relief(small_disk)
  with pytest.raises(OSError) as caught:
    files.replace_file(os.path.join(path, 'file'), _TEXT)
  assert not files.is_no_room(caught.value)
