"""What a status looks like: as a panel and as a line."""

import io
import math

import pytest
from rich.cells import cell_len
from rich.console import Console as RichConsole

from apex_tf.monitoring import block_chart
from apex_tf.monitoring import panel
from apex_tf.monitoring import status as status_lib


def _text(renderable, width=80):
  """What a terminal of that width shows, checked not to overflow."""
  stream = io.StringIO()
  RichConsole(file=stream, width=width, force_terminal=False,
              legacy_windows=False).print(renderable)
  text = stream.getvalue()
  assert all(cell_len(row) <= width for row in text.splitlines())
  assert '…' not in text  # Nothing is cut off.
  return text


def test_panel_while_learning(status, config):
  text = _text(panel.render(status, config, 'runs/a/tensorboard'))
  for expected in [
      'Ape-X DQN · CartPole-v1 · seed 7', 'learning · 3 min 20 s of 5 min',
      '12,345 steps · 92.1/s · 47,155 samples/s · loss 0.0123',
      '456,789 steps · 3,412/s · 1,234 episodes',
      '81,234 of 100,000 · 8.02 samples/insert', 'actor 0 ε 0.00065 to 0.4',
      '45.0  200.0  499.0  500.0', 'actor 1 ε 0.01 to 0.1', 'no episode yet',
      '490.0 ± 8.2 over 3 episodes · policy of step 800', 'best 490.0',
      'target 475', 'tensorboard --logdir runs/a/tensorboard']:
    assert expected in text
  assert 'frames/s' not in text  # As many as agent steps.
  assert 'waited' not in text
  assert '█' * 16 + '░' * 4 in text  # 81,234 of 100,000 of 20 columns.


def test_panel_while_filling(status, config):
  status.phase = status_lib.FILLING
  status.learner_steps, status.evaluations = 0, []
  status.replay = status_lib.ReplayStatus(
      size=500, min_size=1000, capacity=100_000, waiting_side='learner',
      waiting_seconds=30.4)
  text = _text(panel.render(status, config))
  assert 'filling replay' in text
  assert '█' * 10 + '░' * 10 + ' 500 of 1,000 to start' in text
  assert 'learner has waited 30 s: replay 500 of 1,000 items' in text
  assert 'no evaluation yet · target 475' in text
  assert 'loss' not in text
  assert 'tensorboard' not in text


@pytest.mark.parametrize('learner_steps', [0, 12_345])
def test_no_line_is_folded_in_any_phase(status, config, learner_steps):
  status.learner_steps = learner_steps
  # As in the first steps of learning: batches are fetched ahead.
  status.replay = status_lib.ReplayStatus(
      size=100_000, min_size=100_000, capacity=100_000,
      samples_per_insert=123.45)
  shown = {}
  for phase in status_lib.PHASES:
    status.phase = phase
    shown[phase] = _text(panel.render(status, config)).splitlines()
    labels = [row[2:13].strip() for row in shown[phase]]
    begin = labels.index('learner')
    assert labels[begin:begin + 6] == [
        'learner', 'actors', 'replay', 'training', '', 'evaluator']
    replay = shown[phase][begin + 2]
    assert ('samples/insert' in replay) == (phase != status_lib.FILLING)
    assert ('to start' in replay) == (phase == status_lib.FILLING)
  # Two frames, header, 5 rows with a second actor and the best, and the curve.
  assert {len(rows) for rows in shown.values()} == {3 + 7 + 6}


def test_panel_of_atari(status, config, evaluation):
  config.environment.suite, config.environment.game = 'atari', 'ms_pacman'
  config.run.max_minutes = math.inf
  config.run.target_return = math.inf
  config.run.max_learner_steps = 50_000
  config.run.max_agent_steps = 1_000_000
  status.environment_frames = 4 * status.agent_steps
  status.evaluations.append(evaluation(
      3, [1.0], complete=False, human_normalized=12.4))
  text = _text(panel.render(status, config))
  for expected in ['Atari Ms Pacman', '12,345 of 50,000 steps',
                   '456,789 of 1.00M steps', '3,412 frames/s',
                   'learning · 3 min 20 s ', '(not all)', '12% of human']:
    assert expected in text
  assert 'target' not in text


def test_panel_of_a_run_that_has_ended(status, config):
  status.phase, status.stop_reason = status_lib.DONE, 'target_return'
  text = _text(panel.render(status, config, age_seconds=100.0))
  assert 'done · 3 min 20 s of 5 min · target_return' in text
  assert 'no news' not in text


def test_panel_says_that_the_learner_is_silent(status, config):
  assert 'no news' not in _text(panel.render(status, config, age_seconds=10.0))
  assert 'no news from the learner for 1 min' in _text(
      panel.render(status, config, age_seconds=60.0))


def test_panel_says_how_many_actors_are_there(status, config):
  config.actor.num_actors = 12
  status.reporting_actors = 8
  assert '8 of 12 report' in _text(panel.render(status, config))
  status.reporting_actors = 12
  assert 'report' not in _text(panel.render(status, config))
  status.reporting_actors, status.phase = 0, status_lib.DONE
  assert 'report' not in _text(panel.render(status, config))


@pytest.mark.parametrize('width', [40, 60, 80, 200])
def test_nothing_is_cut_off_whatever_the_numbers(
    status, config, evaluation, width):
  config.environment.id = 'AnEnvironment/WithARatherLongName-v17'
  config.run.max_minutes = 1e6
  config.run.max_agent_steps = config.run.max_learner_steps = 2 * 10**12
  status.phase = status_lib.FINAL_EVALUATION
  status.stop_reason = 'max_learner_steps'
  status.wall_seconds = 5e7
  status.learner_steps = status.agent_steps = status.episodes = 10**12
  status.environment_frames = 4 * 10**12
  status.loss = -1.23456e-30
  status.rates = {name: 1.234e8 for name in status.rates}
  status.replay = status_lib.ReplayStatus(
      size=10**12, min_size=10**12, capacity=10**12, samples_per_insert=12345.6,
      waiting_side='actors', waiting_seconds=1e6)
  status.actors = {
      str(index): status_lib.ActorReport(
          exploration='ε 0.00066 to 0.0042',
          recent_returns=[-1.5e6, -12_345.0, 1e9, -999.9, math.nan, 123456.0])
      for index in range(360)}
  status.evaluations.append(evaluation(
      3, [-1.5e6] * 200, std=1.2e6, learner_step=10**12, complete=False,
      human_normalized=-1.2e6))
  text = panel.render(status, config, '/a/long/path' * 20, age_seconds=1e6)
  if width >= 80:
    assert '356 more' in _text(text, width)
  else:
    stream = io.StringIO()
    RichConsole(file=stream, width=width).print(text)
    rows = stream.getvalue().splitlines()
    assert all(cell_len(row) <= width for row in rows)


@pytest.mark.parametrize('loss', [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_shown(
    status, config, evaluation, loss):
  status.loss = loss
  status.evaluations = [evaluation(0, [])]
  text = _text(panel.render(status, config))
  assert f'loss {loss}' in text
  assert 'no evaluation yet' in text
  assert f'loss {loss}' in panel.line(status, config)


def test_an_empty_status_is_shown(config):
  empty = status_lib.RunStatus()
  assert 'filling replay' in _text(panel.render(empty, config))
  assert panel.line(empty, config) == (
      'CartPole-v1: filling replay 0 s, learner 0 steps, actors 0 steps, '
      'replay 0 of 0')


def test_line(status, config):
  assert panel.line(status, config) == (
      'CartPole-v1: learning 3 min 20 s, learner 12,345 steps (92.1/s), actors '
      '456,789 steps (3,412/s), replay 81,234 of 100,000, loss 0.0123, '
      'evaluation 490.0 ± 8.2 (step 800)')
  status.replay.waiting_side = 'actors'
  status.replay.waiting_seconds = 12.0
  assert ('actors have waited 12 s to insert: replay waits for the learner '
          '(8.02 samples per insert)') in panel.line(status, config)
  # Once learning is over, that is as it should be.
  status.phase = status_lib.FINAL_EVALUATION
  status.stop_reason = 'max_minutes'
  line = panel.line(status, config, age_seconds=20.0)
  assert 'final evaluation (max_minutes) 3 min 20 s' in line
  assert 'waited' not in line
  assert line.endswith('no news from the learner for 20 s')
  assert '\n' not in line


def test_short_waits_are_no_news(status, config):
  status.replay.waiting_side, status.replay.waiting_seconds = 'learner', 4.9
  assert 'waited' not in panel.line(status, config)


def test_stalls_are_shown_and_a_wait_among_them_once(status, config):
  status.replay.waiting_side, status.replay.waiting_seconds = 'actors', 31.0
  wait = ('actors have waited 31 s to insert: replay waits for the learner '
          '(8.02 samples per insert)')
  status.stalls = [wait, 'learner has made no step for 31 s']
  line = panel.line(status, config)
  assert f', {wait}, learner has made no step for 31 s, ' in line
  assert line.count('waited') == 1
  text = _text(panel.render(status, config))
  assert text.count('waited') == 1
  assert 'learner has made no step for 31 s' in text


def test_many_stalls_do_not_fill_the_screen(status, config):
  status.stalls = [f'actor_{i} has not reported for 30 s' for i in range(360)]
  text = _text(panel.render(status, config))
  assert text.count('has not reported') == 4 and '356 more' in text
  assert 'actor_3 has not reported for 30 s, 356 more' in panel.line(
      status, config)


def test_starting(config):
  assert panel.starting_line(config, {}, 0.2) == (
      'starting 0 s: replay, learner, 2 actors, evaluator')
  states = {'replay': 'running', 'actor_1': 'running'}
  assert panel.starting_line(config, states, 70.0) == (
      'starting 1 min 10 s: replay up, learner, actors 1 of 2 up, evaluator')
  assert 'replay up, learner, actors 1 of 2 up' in _text(
      panel.render_starting(config, states))


def test_blocks(evaluation):
  evaluations = [evaluation(i, [mean]) for i, mean in enumerate(
      [0.0, 7.0, 15.0])]
  # Two lines of eight eighths: lowest is one eighth, highest sixteen.
  assert block_chart.draw(evaluations, 5, 2) == ['    █', '▁▁███']
  assert block_chart.draw(evaluations[:1], 5, 2) == []
  flat = [evaluation(i, [3.0]) for i in range(2)]
  assert block_chart.draw(flat, 3, 1) == ['▁▁▁']


def test_restarts_are_noted(status, config):
  restarts = {'actor_1': 2, 'replay': 1}
  note = 'actor 1 restarted 2x, replay restarted'
  assert note in _text(panel.render(status, config, restarts=restarts))
  assert note in panel.line(status, config, restarts=restarts)
  assert 'restarted' not in _text(panel.render(status, config))
