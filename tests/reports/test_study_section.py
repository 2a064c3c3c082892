"""Reports of studies whose cells were made by hand."""

import csv
import io
import os

import pytest

from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import studies
from apex_tf.experiments import study_directory
from apex_tf.reports import report
from apex_tf.reports import study_section
from configs import atari57
from configs import cartpole
from configs import minatar
from tests.experiments import finished_cells
from tests.reports import made_runs


def _make_study(path, study, config, values, num_seeds, finals):
  """A study of which the cells of some arms are finished, with finals."""
  directory = study_directory.StudyDirectory(str(path))
  plan = plan_lib.Plan(
      studies.STUDIES[study], config, tuple(values), num_seeds)
  directory.write(plan)
  for cell in directory.cells(plan):
    if cell.arm.name in finals:
      finished_cells.finish(
          cell, [(0, 0.0), (1000, finals[cell.arm.name] + cell.seed)],
          stop_reason=('max_learner_steps' if plan.study.holds_rate else
                       'max_agent_steps'))
  return str(path)


def _config():
  config = minatar.get_config()
  config.run.max_learner_steps = 1000
  return config


@pytest.fixture
def study(tmp_path):
  return _make_study(tmp_path / 'study', 'n_step', _config(), ['1', '3', '5'],
                     3, {'n_1': 3.0, 'n_3': 9.0})


def _texts(section):
  return [' | '.join(row) for table in section.tables for row in table.rows]


def test_what_a_study_says(study):
  made = study_section.read(
      study, 'mine', {'configs/minatar.py': minatar.get_config()}).section
  assert made.title == 'MinAtar Breakout · Ape-X DQN · n of the n-step return'
  assert dict(made.highlights) == {
      'cells finished': '6 of 9', 'arms': '3', 'seeds': '3'}
  assert any('Not finished: n = 5, seed 0; n = 5, seed 1; n = 5, seed 2.' in
             text for text in made.paragraphs)
  # Means of 3, 4, 5; the interval is 4.303 / sqrt(3).
  assert _texts(made)[0].startswith('n = 1 | 3 | 4.00 ± 2.48 | ')
  assert [picture.title for picture in made.pictures()] == [
      'Against learner steps', 'Of the final policies', 'Rate of the learner',
      'Rate of all actors']
  assert made.configuration.command.split(' \\\n    ') == [
      'python -m launch.study', '--config=configs/minatar.py',
      '--config.run.max_learner_steps=1000', '--config.actor.num_actors=2',
      '--study=n_step', '--values=1,3,5', '--seeds=3', '--workdir=DIR']


def test_the_command_has_the_ends_of_the_cells(tmp_path):
  config = cartpole.get_config()  # With a target and minutes.
  config.run.max_learner_steps = 1000
  made = study_section.read(
      _make_study(tmp_path / 'study', 'n_step', config, ['1'], 1, {'n_1': 3.0}),
      'mine', {'configs/cartpole.py': cartpole.get_config()}).section
  command = made.configuration.command
  assert '--config.run.target_return=inf' in command
  assert '--config.run.max_minutes=inf' in command


def test_what_the_arms_vary_is_said(study):
  made = study_section.read(study, 'mine', {}).section
  assert ('agent.n_step', 'varied', '3') in made.configuration.differences.rows
  (row,) = [row for row in made.configuration.everything.rows
            if row[0] == 'agent.n_step']
  assert row[1] == 'varied'


def test_cells_are_rows_of_the_tables(study, tmp_path):
  contents = report.make(report.read([study], {}))
  rows = list(csv.DictReader(
      io.StringIO(contents['report.csv'].decode(), newline='')))
  assert [(row['run'], row['seed'], row['final_return_mean']) for row in rows
         ] == [
             ('study/n_1/0', '0', '3.0'), ('study/n_1/1', '1', '4.0'),
             ('study/n_1/2', '2', '5.0'), ('study/n_3/0', '0', '9.0'),
             ('study/n_3/1', '1', '10.0'), ('study/n_3/2', '2', '11.0')]
  assert contents['report.png'].startswith(b'\x89PNG')


def test_runs_and_studies_on_one_page(study, tmp_path):
  names = ['one', 'two']
  for name in names:
    made_runs.write_run(
        tmp_path / name, _config(),
        made_runs.make_status([made_runs.make_evaluation(500, [1.0])]))
  paths = [str(tmp_path / name) for name in names]
  page = report.make(report.read([*paths, study], {}))['report.html'].decode()
  assert '2 runs and 1 study of Ape-X' in page
  # The cells are compared by their study, and not with the runs.
  assert 'All runs' in page and 'n of the n-step return' in page
  assert 'study/n_1/0' not in page


def test_games(tmp_path):
  study = _make_study(
      tmp_path / 'suite', 'games', atari57.get_config(), ['pong', 'breakout'],
      1, {'pong': 14.6, 'breakout': 16.1})
  made = study_section.read(study, 'suite', {}).section
  assert made.title == 'Ape-X DQN · game'
  assert _texts(made)[0].startswith('Pong | 1 | 14.6 | 14.6 | -20.7 | 14.6 |')
  assert any('final policies: median 75.0 %' in t for t in made.paragraphs)
  assert [p.title for p in made.pictures()] == ['Pong', 'Breakout']
  assert report.make(report.read([study], {}))['report.png']


def test_a_study_without_results(tmp_path):
  study = _make_study(tmp_path / 'new', 'n_step', _config(), ['1'], 1, {})
  with pytest.raises(report.UnreadableError) as error:
    report.read([study], {})
  assert error.value.messages == [
      f'{study!r} is a study without results: no cell is finished yet']


def test_cells_that_cannot_be_read(study):
  cells = os.path.join(study, 'cells')
  with open(os.path.join(cells, 'n_1', '0', 'status.json'), 'w',
            encoding='utf-8') as file:
    file.write('{')
  with pytest.raises(report.UnreadableError,
                     match='n_1/0/status.json is corrupt'):
    report.read([study], {})


def test_a_corrupt_event_file_of_a_cell(study):
  directory = study_directory.StudyDirectory(study)
  cell = directory.cells(directory.read())[0]
  for role, name in (('learner', 'loss'),
                     ('evaluator', 'evaluation_return_mean')):
    made_runs.write_points(cell.directory, role, [
        {'step': step, name: 1.0} for step in range(1, 30)])
    (path,) = made_runs.event_files(cell.directory, role)
    made_runs.flip_bit(path, 0.5)
    if role == 'learner':  # Nothing of it is shown.
      report.read([study], {})
  with pytest.raises(report.UnreadableError) as error:
    report.read([study], {})
  assert str(path) in str(error.value)


def test_a_study_file_of_another_version(study):
  with open(os.path.join(study, 'study.json'), 'w', encoding='utf-8') as file:
    file.write('{}')
  with pytest.raises(report.UnreadableError, match='study.json is not that'):
    report.read([study], {})
