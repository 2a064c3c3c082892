"""The benchmark's command, on windows too short to mean anything."""

from concurrent import futures
import json
import os
import pathlib
import subprocess
import sys

from matplotlib import image
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _run(*flags):
  return subprocess.run(
      [sys.executable, '-m', 'launch.benchmark', *flags], cwd=ROOT,
      capture_output=True, text=True, timeout=1200, check=False,
      env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '2'})


def test_parts_are_measured_and_written_down(tmp_path):
  names = ('actor', 'learner', 'replay', 'cluster')
  outputs = {suite: tmp_path / f'{suite}.json' for suite in names}
  # Side by side: what they find is not looked at.
  with futures.ThreadPoolExecutor() as pool:
    results = dict(zip(names, pool.map(
        lambda suite: _run(
            f'--suite={suite}', '--rounds=1', '--seconds_scale=0.05',
            '--replay_sizes=2000,3000', '--simulated_actors=2',
            f'--output={outputs[suite]}'), names)))
  suites = {}
  for suite, result in results.items():
    # 1: so short a look may well miss what is asked.
    assert result.returncode in (0, 1), result.stderr
    written = json.loads(outputs[suite].read_text())
    assert written['machine']['cores'] >= 1
    assert written['machine']['versions']['dm-reverb']
    suites[suite] = written['rows']
    lines = [line for line in result.stdout.splitlines()
             if line.startswith(f'| {suite} |')]
    assert len(lines) == len(written['rows'])
    missed = [row for row in written['rows'] if row['holds'] is False]
    assert result.returncode == int(bool(missed))
    assert result.stderr.count('Not reached: ') == len(missed)
    # CPU time is counted in hundredths of a second.
    assert all(row['median'] > 0 for row in written['rows']
               if row['unit'] not in ('CPU us', 'cores'))
  what = {row['what'] for row in suites['cluster'] if row['num_actors'] == 2}
  assert what == {'inserts of 2 writers',
                  'whole versions from the learner to 2 actors',
                  'whole versions from a cache to 2 actors',
                  'versions asked for by 2 actors'}
  assert image.imread(tmp_path / 'cluster_simulated.png').shape[:2] == (
      600, 2700)
  asked = {suite: [row['bound'] for row in rows if row['bound'] is not None]
           for suite, rows in suites.items()}
  assert asked['actor'] == [0.85]
  assert asked['cluster'] == [3.0]  # And nobody asked in vain.
  assert asked['learner'] == [0.9, 0.8]
  # Memory at the smaller size; four costs at the larger; rates between them.
  assert sorted(asked['replay']) == [0.5, 0.8, 45, 45, 150, 200]


@pytest.mark.parametrize('flags, message', [
    (['--suite=speed'],
     'flag --suite=speed: value should be one of <actor|learner|replay'),
    (['--suite=replay', '--replay_sizes=5000,few'],
     "replay_sizes has 'few', but must have whole numbers of at least 2000"),
    (['--suite=replay', '--replay_sizes='],
     "replay_sizes is '', but must have at least one number"),
    (['--suite=actor', '--rounds=0'], 'rounds'),
    (['--suite=actor', '--output=/proc/nowhere/at/all.json'],
     "No such file or directory: '/proc/nowhere"),
    (['--suite=peers', '--peers_directory=/nowhere'],
     "peers_directory is '/nowhere', but must have acme/bin/python: run "
     '`make peers`'),
])
def test_mistakes_are_one_line(flags, message):
  result = _run(*flags)
  assert result.returncode == 2
  assert message in result.stderr
  assert 'Traceback' not in result.stderr
