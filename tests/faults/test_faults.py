"""Faults of every kind happen to one run of the real program."""

import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from tests.faults import harness
from tests.integration import programs

# As `harness.table` writes a fault.
_ROW = re.compile(r'\| \d+ \| (.+) \| (.+) \| (.+) \| ([\d.]+) s \|')
# Starts of the program, on a machine that others use as well.
_SECONDS = 3600.0


@pytest.mark.faults
def test_every_kind_is_survived(tmp_path: pathlib.Path):
  output = tmp_path / 'table.md'
  process = subprocess.Popen(
      [sys.executable, '-m', 'tests.faults', f'--faults={len(harness.KINDS)}',
       '--seed=3', '--stop_seconds=4', '--disk_seconds=8',
       f'--output={output}'],
      cwd=programs.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
      text=True, env={**os.environ, 'TMPDIR': str(tmp_path)})
  try:
    out, _ = process.communicate(timeout=_SECONDS)
  except BaseException:
    process.send_signal(signal.SIGTERM)  # It ends the run, too.
    process.communicate()
    raise
  print(out)
  assert process.returncode == 0, out
  rows = [match.groups() for match in map(
      _ROW.fullmatch, output.read_text().splitlines()) if match]
  assert {row[0] for row in rows} == set(harness.KINDS)
  assert 'All were survived.' in out
  full, = (row for row in rows if row[0] == 'full disk')
  megabytes = float(re.search(r'by ([\d.]+) MB', full[2])[1])
  assert megabytes > harness.DISK_MEGABYTES / 2
  # Nothing else was started there, or it was removed.
  assert list(tmp_path.iterdir()) == [output]
