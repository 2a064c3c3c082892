"""The command line of `launch.report`: what it refuses, and how."""

import os
import pathlib
import subprocess
import sys

import pytest

from apex_tf import config as config_lib
from tests.reports import made_runs

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(_ROOT)}


def _report(directory, *arguments):
  result = subprocess.run(
      [sys.executable, '-m', 'launch.report', *arguments], cwd=directory,
      env=_ENVIRONMENT, capture_output=True, text=True, check=False,
      timeout=600)
  return result.returncode, result.stdout, result.stderr


@pytest.fixture
def folder(tmp_path):
  made_runs.write_run(
      tmp_path / 'run', config_lib.Config(),
      made_runs.make_status([made_runs.make_evaluation(500, [1.0])]))
  (tmp_path / 'empty').mkdir()
  (tmp_path / 'file').write_text('')
  return tmp_path


# Name: what is given, and how each line begins after "report.py: ".
_CASES = {
    'nothing': ([], ['no run is given, but there must be at least one']),
    'several runs without an output': (
        ['run', 'empty'],
        ['output is not given, but must be a directory where there are several '
         'runs',
         "'empty' is not the directory of a run or a study: it has neither "
         'config.json nor study.json']),
    'all that is wrong': (
        ['nowhere', 'run', 'file', 'empty', '--output=file/report'],
        ["output is 'file/report', but must be a directory, and",
         "'nowhere' is not a directory that exists",
         "'file' is not a directory that exists",
         "'empty' is not the directory of a run"]),
    'unknown flag': (['run', '--outputs=x'], ["Unknown command line flag"]),
}


@pytest.mark.parametrize('name', _CASES)
def test_bad_input(folder, name):
  arguments, beginnings = _CASES[name]
  before = made_runs.snapshot(folder)
  code, out, err = _report(folder, *arguments)
  assert (code, out) == (2, ''), err
  lines = err.splitlines()
  assert len(lines) == len(beginnings), err
  for line, beginning in zip(lines, beginnings):
    assert line.startswith(f'report.py: {beginning}'), line
  assert made_runs.snapshot(folder) == before
