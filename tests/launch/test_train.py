"""What `launch.train` leaves and says when a run has ended."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from apex_tf import launching
from apex_tf.monitoring import opening
from apex_tf.monitoring import role_records
from apex_tf.monitoring import status as status_lib
from configs import cartpole
from launch import train

_ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def directory(tmp_path):
  return opening.prepare(str(tmp_path / 'run'), 'auto')


def _summary(directory):
  return json.loads(pathlib.Path(directory.summary_file).read_text())


def test_end_by_a_limit(directory, capsys):
  directory.write_status(status_lib.RunStatus(
      phase=status_lib.DONE, stop_reason='max_minutes', learner_steps=7))
  code = train.finish(cartpole.get_config(), directory, launching.Ending(''))
  out, err = capsys.readouterr()
  assert (code, err) == (0, '')
  assert _summary(directory)['stop_reason'] == 'max_minutes'
  assert _summary(directory)['learner_steps'] == 7
  _, curve, tensorboard = out.splitlines()
  assert curve == f'Learning curve: {directory.learning_curve_file}'
  assert tensorboard.startswith('TensorBoard: ')
  assert tensorboard.endswith(
      f'tensorboard --logdir {directory.tensorboard_root}')
  assert pathlib.Path(directory.learning_curve_file).stat().st_size > 1000


@pytest.mark.parametrize('reached, said', [
    ('', 'interrupted'),
    # Interrupted in its final evaluation: what ended the learning counts.
    ('target_return', 'target_return')])
def test_interruption(directory, reached, said):
  directory.write_status(status_lib.RunStatus(stop_reason=reached))
  code = train.finish(cartpole.get_config(), directory,
                      launching.Ending(status_lib.INTERRUPTED))
  assert code == 0
  assert _summary(directory)['stop_reason'] == said
  assert directory.read_status().stop_reason == said


def test_interruption_before_there_is_a_status(directory):
  assert train.finish(cartpole.get_config(), directory,
                      launching.Ending(status_lib.INTERRUPTED)) == 0
  assert _summary(directory)['stop_reason'] == 'interrupted'
  assert _summary(directory)['final_return_mean'] is None


def test_failure_names_the_role_last(directory, capsys):
  directory.write_status(status_lib.RunStatus(stop_reason='max_minutes'))
  failure = role_records.RoleFailure('actor_1', 'OSError: no disk', '/x/log')
  code = train.finish(cartpole.get_config(), directory,
                      launching.Ending(status_lib.FAILED, failure))
  _, err = capsys.readouterr()
  assert code == 1
  assert err == 'actor_1 failed: OSError: no disk (log: /x/log)\n'
  assert _summary(directory)['stop_reason'] == 'failed'


def test_failure_without_a_record(directory, capsys):
  code = train.finish(cartpole.get_config(), directory,
                      launching.Ending(status_lib.FAILED))
  _, err = capsys.readouterr()
  assert code == 1
  assert err.count('\n') == 1 and directory.logs_directory in err


def test_resume_never_moves_the_old_run_aside(tmp_path):
  old = opening.prepare(str(tmp_path / 'run'), 'auto')
  old.write_config(cartpole.get_config())
  result = subprocess.run(
      [sys.executable, '-m', 'launch.train', '--config=configs/cartpole.py',
       f'--workdir={tmp_path}/run', '--resume=never', '--serial',
       '--config.dqn.hidden_sizes=8', '--config.replay.min_size=100',
       '--config.learner.batch_size=8', '--config.run.max_learner_steps=5',
       '--config.evaluator.episodes=1'], cwd=_ROOT,
      env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '2'}, capture_output=True,
      text=True, check=False, timeout=400)
  assert result.returncode == 0, result.stderr
  assert result.stdout.splitlines()[0] == (
      f'The run that was there is now in {tmp_path}/run.1')
  assert (tmp_path / 'run.1' / 'config.json').exists()
  summary = json.loads((tmp_path / 'run' / 'summary.json').read_text())
  assert summary['learner_steps'] == 5
