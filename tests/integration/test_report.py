"""A report of a real run, through the real command line."""

import csv
import html.parser
import os
import subprocess
import sys

from tests.integration import programs
from tests.reports import made_runs


def test_report_of_a_run(finished_run, tmp_path):
  before = made_runs.snapshot(finished_run.workdir)
  # Beside it, since other tests look at the same run.
  result = subprocess.run(
      [sys.executable, '-m', 'launch.report', str(finished_run.workdir),
       '--output=made'], cwd=tmp_path, text=True, check=False,
      capture_output=True, timeout=programs.PATIENCE_SECONDS,
      env={**programs.shell_environment(), 'PYTHONPATH': str(programs.ROOT)})
  assert (result.returncode, result.stderr) == (0, '')
  names = ['report.html', 'report.png', 'report.csv', 'curves.csv']
  assert result.stdout.splitlines() == [
      f'Written: {tmp_path}/made/{name}' for name in names]
  assert sorted(os.listdir(tmp_path / 'made')) == sorted(names)
  assert made_runs.snapshot(finished_run.workdir) == before
  summary = programs.read_json(finished_run.workdir / 'summary.json')
  with open(tmp_path / 'made' / 'report.csv', newline='') as file:
    (row,) = csv.DictReader(file)
  assert row['run'] == 'run' and row['task'] == 'CartPole-v1'
  assert row['seed'] == '3' and row['stop_reason'] == 'max_learner_steps'
  for name in ('final_return_mean', 'learner_steps', 'agent_steps',
               'wall_seconds'):
    assert float(row[name]) == summary[name]
  status = programs.read_json(finished_run.workdir / 'status.json')
  with open(tmp_path / 'made' / 'curves.csv', newline='') as file:
    curve = list(csv.DictReader(file))
  assert [(int(p['learner_step']), float(p['mean'])) for p in curve] == [
      (e['learner_step'], e['mean']) for e in status['evaluations']]
  text = (tmp_path / 'made' / 'report.html').read_text()
  html.parser.HTMLParser().feed(text)
  assert 'CartPole-v1 · Ape-X DQN · seed 3' in text
  assert 'no points' not in text and 'no event files' not in text
  for name, version in summary['versions'].items():
    assert name in text and version in text
