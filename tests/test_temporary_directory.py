"""The directory of a run's temporary files."""

import os
import stat
import subprocess
import sys
import tempfile

import pytest

from apex_tf import temporary_directory


@pytest.fixture
def outer(tmp_path, monkeypatch):
  """What $TMPDIR is before."""
  monkeypatch.setenv('TMPDIR', str(tmp_path))
  monkeypatch.setattr(tempfile, 'tempdir', None)
  return tmp_path


def test_children_write_there_and_it_goes(outer):
  path = str(outer / 'tmp')
  temporary_directory.make_empty(path)
  assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
  with temporary_directory.used(path):
    said = subprocess.run(
        [sys.executable, '-c', 'import tempfile; print(tempfile.mkdtemp())'],
        capture_output=True, text=True, check=True).stdout.strip()
    assert os.path.dirname(said) == tempfile.gettempdir() == path
  assert os.listdir(outer) == []
  assert tempfile.gettempdir() == os.environ['TMPDIR'] == str(outer)


def test_what_a_killed_launch_left_goes_with_the_next(outer):
  (outer / 'tmp' / 'jobs').mkdir(parents=True)
  temporary_directory.make_empty(str(outer / 'tmp'))
  assert os.listdir(outer / 'tmp') == []


def test_a_link_in_its_place_is_not_followed(outer, tmp_path_factory):
  elsewhere = tmp_path_factory.mktemp('elsewhere')
  (elsewhere / 'file').write_text('kept')
  os.symlink(elsewhere, outer / 'tmp')
  with pytest.raises(OSError):
    temporary_directory.make_empty(str(outer / 'tmp'))
  assert os.listdir(elsewhere) == ['file']


def test_without_a_setting_there_is_none_afterwards(outer, monkeypatch):
  monkeypatch.delenv('TMPDIR')
  monkeypatch.setattr(tempfile, 'tempdir', str(outer))
  temporary_directory.make_empty(str(outer / 'tmp'))
  with temporary_directory.used(str(outer / 'tmp')):
    assert os.environ['TMPDIR'] == str(outer / 'tmp')
  assert 'TMPDIR' not in os.environ
