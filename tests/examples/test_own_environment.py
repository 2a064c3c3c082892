"""The example of the README, run by its own command."""

import json
import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_own_environment_and_network_are_learned(tmp_path):
  workdir = tmp_path / 'own'
  run = subprocess.run(
      [sys.executable, '-m', 'launch.train',
       '--config=examples/own_environment.py', f'--workdir={workdir}',
       # Until it reaches its target, some 300 steps: 800 in any case left a bad
       # policy in 3 runs of 40.
       '--serial', '--config.run.max_learner_steps=8000',
       '--config.learner.batch_size=32',
       '--config.evaluator.period_seconds=1'],
      cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
      check=False, timeout=1200)
  assert run.returncode == 0, run.stdout
  assert 'Overriding environment' not in run.stdout
  config = json.loads((workdir / 'config.json').read_text())
  assert config['dqn']['network'] == 'examples.own_environment:make_torso'
  summary = json.loads((workdir / 'summary.json').read_text())
  assert summary['stop_reason'] == 'target_return'
  # Always walking the same way loses 5 where the goal is behind; the best
  # policy has 0.7 on average.
  assert summary['final_return_mean'] > 0.0
  assert summary['evaluation_episodes'] == 20


def test_readme_shows_the_example_as_it_is():
  readme = (_ROOT / 'README.md').read_text()
  shown = readme.split('```python\n')[1].split('```')[0].splitlines()
  lines = (_ROOT / 'examples' / 'own_environment.py').read_text().splitlines()
  assert len(shown) > 30
  remaining = iter(lines)  # In this order.
  assert [line for line in shown if line] == [
      line for line in shown if line and line in remaining]
