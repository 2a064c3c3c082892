"""What is written of cells whose outcomes are known."""

import csv
import os

from matplotlib import image
import pytest

from apex_tf.experiments import outcomes
from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import results
from apex_tf.experiments import studies
from configs import atari57
from tests.experiments import finished_cells

Plan = plan_lib.Plan


def _read_csv(path):
  with open(path, encoding='utf-8', newline='') as file:
    return list(csv.DictReader(file))


def test_arms_with_their_seeds(directory, known_plan):
  outcome = outcomes.read(directory, known_plan)
  assert [(arm.arm.name, len(arm.cells)) for arm in outcome.arms] == [
      ('n_1', 3), ('n_3', 1)]
  assert len(outcome.missing) == 5
  mean, half_width = outcome.arms[0].interval('final_return_mean')
  assert mean == 4.0
  assert half_width == pytest.approx(4.968, abs=0.001)
  places, returns = outcome.arms[0].curve(3)
  assert places.tolist() == [0, 500, 1000]
  assert returns.tolist() == [[0, 12, 2], [0, 12, 4], [0, 12, 6]]


def test_files(directory, known_plan):
  lines = results.write(
      directory, known_plan, 'python -m launch.study --study=x')
  rows = _read_csv(directory.result_file(known_plan, '.csv'))
  assert [(r['study'], r['arm'], r['seed'], float(r['final_return_mean']),
           float(r['best_return_mean'])) for r in rows] == [
               ('n_step', 'n_1', '0', 2.0, 12.0),
               ('n_step', 'n_1', '1', 4.0, 12.0),
               ('n_step', 'n_1', '2', 6.0, 12.0),
               ('n_step', 'n_3', '0', 10.0, 12.0)]
  # 1000 steps in 100 s of learning, 8000 in 120 s of acting.
  assert float(rows[0]['learner_steps_per_second']) == 10.0
  assert float(rows[0]['samples_per_second']) == 640.0
  assert float(rows[0]['agent_steps_per_second']) == pytest.approx(66.67, 1e-3)
  points = _read_csv(directory.result_file(known_plan, '_curves.csv'))
  assert len(points) == 12
  assert points[1] == {
      'arm': 'n_1', 'seed': '0', 'learner_step': '500', 'agent_steps': '4000',
      'environment_frames': '4000', 'minutes': str(50 / 60),
      'mean': '12.0', 'std': '1.0', 'episodes': '2',
      'final': '0'}
  with open(directory.result_file(known_plan, '.md'), encoding='utf-8') as file:
    page = file.read()
  assert 'python -m launch.study --study=x' in page
  assert '| n = 1 | 3 | 4.00 ± 4.97 | 12.0 ± 0.00 |' in page
  assert '| n = 3 | 1 | 10.0 | 12.0 |' in page
  assert 'Not finished: n = 5, seed 0; n = 3, seed 1;' in page
  assert 'sticky action probability 0.1' in page
  height, width, _ = image.imread(
      directory.result_file(known_plan, '.png')).shape
  assert (width, height) == (1650, 690)
  assert '\n'.join(lines).count('Written: ') == 4
  mode = os.stat(directory.result_file(known_plan, '.png')).st_mode
  assert mode & 0o044 == 0o044  # To be shown to others.


def test_nothing_is_finished(directory, config):
  plan = Plan(studies.STUDIES['n_step'], config, ('1',), 1)
  assert results.write(directory, plan, '') == [
      'No cell is finished yet: there are no results.']
  assert not os.path.exists(directory.result_file(plan, '.png'))


def test_all_cells_that_cannot_be_read_are_named(directory, known_plan):
  cell = directory.cells(known_plan)[0]
  with open(cell.directory.status_file, 'w', encoding='utf-8') as file:
    file.write('{')
  other = directory.cells(known_plan)[1]
  summary = other.directory.read_summary()
  del summary['protocol']
  other.directory.write_summary(summary)
  with pytest.raises(ValueError) as error:
    results.write(directory, known_plan, '')
  assert f'{cell.directory.status_file} is corrupt: ' in str(error.value)
  assert f'{other.directory.summary_file} has no protocol' in str(error.value)


def test_scores_of_games_by_hand(directory):
  config = atari57.get_config()
  plan = Plan(
      studies.STUDIES['games'], config, ('pong', 'breakout', 'qbert'), 2)
  finals = {'pong': (14.6, 14.6), 'breakout': (1.7, 30.5)}
  for cell in directory.cells(plan):
    if cell.arm.name in finals:
      finished_cells.finish(
          cell, [(0, 20.9), (10, finals[cell.arm.name][cell.seed])],
          stop_reason='max_agent_steps')
  results.write(directory, plan, 'command')
  pong, breakout = _read_csv(directory.result_file(plan, '.csv'))
  assert (pong['game'], pong['seeds']) == ('pong', '2')
  # Human play is 14.6, and (20.9 + 20.7) / (14.6 + 20.7) is the paper's too.
  assert float(pong['human_normalized_final_percent']) == pytest.approx(100.0)
  assert float(pong['human_normalized_best_percent']) == pytest.approx(
      117.85, abs=.01)
  assert float(pong['human_normalized_apex_noop_percent']) == pytest.approx(
      117.85, abs=.01)
  assert float(breakout['final_return_mean']) == pytest.approx(16.1)
  # Of 1.7 and 30.5, the deviation is 20.36 and t 12.71.
  assert float(breakout['final_return_half_width']) == pytest.approx(
      12.706 * 20.365 / 2**0.5, rel=1e-3)
  assert float(breakout['human_normalized_final_percent']) == (
      pytest.approx(50.0))
  assert pong['protocol_action_set'] == 'all 18'
  assert pong['protocol_max_noops'] == '30'
  assert pong['protocol_sticky_action_probability'] == '0.0'
  assert pong['protocol_max_training_frames'] == '50000'
  with open(directory.result_file(plan, '.md'), encoding='utf-8') as file:
    page = file.read()
  # Of 100 and 50.
  assert ('Human-normalized, final policies: median 75.0 %, mean 75.0 % of '
          'human over 2 games.') in page
  # Of 117.85 and (800.9 - 1.7) / (30.5 - 1.7) = 2775.
  assert 'the same games: median 1,446.4 %' in page
  assert 'Not finished: Qbert, seed 0; Qbert, seed 1' in page


def test_games_without_reference_scores(directory, config):
  plan = Plan(studies.STUDIES['games'], config, ('breakout',), 1)
  finished_cells.finish(directory.cells(plan)[0], [(0, 3.0), (10, 9.0)])
  results.write(directory, plan, 'command')
  (row,) = _read_csv(directory.result_file(plan, '.csv'))
  assert row['final_return_mean'] == row['best_return_mean'] == '9.0'
  assert row['human_return'] == row['human_normalized_apex_noop_percent'] == ''
  with open(directory.result_file(plan, '.md'), encoding='utf-8') as file:
    assert 'Human-normalized' not in file.read()
