"""Whole runs, as a user starts them, until they have learned; minutes each.

`make test-learning` runs them. They want the machine for themselves: what is
learned in a number of minutes depends on its speed.
"""

import pathlib
import subprocess
import sys
from typing import Any, Dict

import pytest

from apex_tf.monitoring import run_directory

_ROOT = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.learning


def _train(workdir: pathlib.Path, minutes: int, *flags: str) -> Dict[str, Any]:
  """Runs the training command to its end; the run's summary."""
  run = subprocess.run(
      [sys.executable, '-m', 'launch.train', *flags,
       f'--config.run.max_minutes={minutes}', f'--workdir={workdir}'],
      cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
      check=False, timeout=60 * minutes + 300)
  assert run.returncode == 0, run.stdout
  print(run.stdout)
  directory = run_directory.RunDirectory(str(workdir))
  assert not [r for r in directory.read_roles().values() if r.alive()]
  summary = directory.read_summary()
  assert summary is not None and summary['final_evaluation_complete']
  assert summary['evaluation_episodes'] >= 10
  return summary


def test_cartpole_is_solved_in_five_minutes_of_learning(tmp_path):
  summary = _train(tmp_path / 'run', 10, '--config=configs/cartpole.py')
  assert summary['stop_reason'] == 'target_return'
  assert summary['final_return_mean'] >= 475
  assert summary['learning_seconds'] <= 300


def test_acrobot_in_ten_minutes(tmp_path):
  summary = _train(tmp_path / 'run', 10, '--config=configs/gym.py',
                   '--config.environment.id=Acrobot-v1')
  assert summary['final_return_mean'] >= -100


def test_minatar_breakout_in_fifteen_minutes(tmp_path):
  summary = _train(tmp_path / 'run', 15, '--config=configs/minatar.py',
                   '--config.environment.game=breakout')
  assert summary['final_return_mean'] >= 7


def test_pendulum_in_ten_minutes(tmp_path):
  summary = _train(tmp_path / 'run', 10, '--config=configs/pendulum.py')
  assert summary['evaluation_episodes'] == 20
  assert summary['final_return_mean'] >= -200


@pytest.mark.parametrize('task, at_least', [
    ('cartpole:swingup', 800), ('walker:stand', 850)])
def test_control_in_fifteen_minutes(tmp_path, task, at_least):
  summary = _train(tmp_path / 'run', 15, '--config=configs/control.py',
                   f'--config.environment.id={task}')
  assert summary['final_return_mean'] >= at_least
