"""The folder of a run's temporary files, which nobody else may have made."""

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
  with temporary_directory.of_run('/runs/x') as folder:
    assert os.path.dirname(folder) == str(outer)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    said = subprocess.run(
        [sys.executable, '-c', 'import tempfile; print(tempfile.mkdtemp())'],
        capture_output=True, text=True, check=True).stdout.strip()
    assert os.path.dirname(said) == tempfile.gettempdir() == folder
  assert os.listdir(outer) == []
  assert tempfile.gettempdir() == os.environ['TMPDIR'] == str(outer)


def test_what_a_killed_launch_left_goes_with_the_next(outer):
  with temporary_directory.of_run('/runs/x') as folder:
    pass
  os.makedirs(os.path.join(folder, 'jobs'))
  with temporary_directory.of_run('/runs/y') as other:
    assert other != folder
    assert os.path.isdir(os.path.join(folder, 'jobs'))
  with temporary_directory.of_run('/runs/x') as again:
    assert again == folder
    assert os.listdir(folder) == []
  assert os.listdir(outer) == []


def test_a_link_in_its_place_is_not_followed(outer, tmp_path_factory):
  elsewhere = tmp_path_factory.mktemp('elsewhere')
  (elsewhere / 'file').write_text('kept')
  with temporary_directory.of_run('/runs/x') as folder:
    pass
  os.symlink(elsewhere, folder)
  with temporary_directory.of_run('/runs/x') as other:
    assert other != folder
  assert os.listdir(elsewhere) == ['file']
  assert os.listdir(outer) == [os.path.basename(folder)]


def test_without_a_setting_there_is_none_afterwards(outer, monkeypatch):
  monkeypatch.delenv('TMPDIR')
  monkeypatch.setattr(tempfile, 'tempdir', str(outer))
  with temporary_directory.of_run('/runs/x') as folder:
    assert os.environ['TMPDIR'] == folder
  assert 'TMPDIR' not in os.environ
