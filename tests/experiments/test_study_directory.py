"""What a study's directory holds, and what it takes."""

import copy
import json
import os
import pathlib

import pytest

from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import studies
from apex_tf.experiments import study_directory
from apex_tf.monitoring import run_directory
from tests.experiments import finished_cells

Plan = plan_lib.Plan


@pytest.fixture
def plan(config):
  config.run.seed = 7
  return Plan(studies.STUDIES['n_step'], config, ('1', '3'), 2)


def test_cells_run_every_arm_with_a_seed_before_the_next(directory, plan):
  cells = directory.cells(plan)
  assert [(cell.arm.name, cell.seed) for cell in cells] == [
      ('n_1', 7), ('n_3', 7), ('n_1', 8), ('n_3', 8)]
  assert [(c.config.agent.n_step, c.config.run.seed) for c in cells] == [
      (1, 7), (3, 7), (1, 8), (3, 8)]
  assert len({cell.directory.path for cell in cells}) == 4
  assert plan.config.agent.n_step == 3 and plan.config.run.seed == 7


def test_a_cell_ends_by_learner_steps_alone(directory, plan):
  plan.config.run.target_return = 5.0
  plan.config.run.max_minutes = 1.0
  plan.config.run.max_agent_steps = 10
  run = directory.cells(plan)[0].config.run
  assert (run.target_return, run.max_minutes, run.max_agent_steps) == (
      float('inf'), float('inf'), 0)
  assert run.max_learner_steps == 1000


@pytest.mark.parametrize('study, section, field, value', [
    ('n_step', 'agent', 'n_step', 5), ('n_step', 'run', 'max_minutes', 5.0),
    ('actors', 'run', 'target_return', 9.0),
    ('recency', 'replay', 'insert_copies', 2),
    ('games', 'environment', 'game', 'asterix')])
def test_what_no_cell_would_heed_is_refused(config, study, section, field,
                                            value):
  preset = copy.deepcopy(config)
  study = studies.STUDIES[study]
  plan = Plan(study, config, study.defaults(config), 1)
  plan.check(preset)
  setattr(getattr(config, section), field, value)
  with pytest.raises(ValueError, match=f'{section}.{field} is {value!r}, but '
                     'must not be given in the study '):
    plan.check(preset)
  if section == 'run':
    # It does not matter what a preset of the user's own has.
    plan.check(copy.deepcopy(config))


def test_an_arm_that_cannot_run_is_named(config):
  plan = Plan(studies.STUDIES['actors'], config, ('20001',), 1)
  with pytest.raises(ValueError, match="at most 1024 .in the arm '20001"):
    plan.check(copy.deepcopy(config))


def test_a_game_ends_as_configured(directory, config):
  config.run.max_minutes = 40.0
  plan = Plan(studies.STUDIES['games'], config, ('breakout',), 1)
  (cell,) = directory.cells(plan)
  assert cell.config.run.max_minutes == 40.0
  assert cell.config.environment.game == 'breakout'


def test_a_plan_comes_back(directory, plan):
  directory.write(plan)
  assert directory.read() == plan


def test_finished_cells(directory, plan):
  one, two, three, four = directory.cells(plan)
  finished_cells.finish(one, [(0, 1.0)])
  finished_cells.finish(two, [(0, 1.0)], stop_reason='interrupted')
  finished_cells.finish(three, [(0, 1.0)], stop_reason='failed')
  assert [cell.is_finished() for cell in (one, two, three, four)] == [
      True, False, False, False]
  assert two.unfinished_because() == 'it has not come to its end'
  # With another limit it has to go on.
  plan.config.run.max_learner_steps = 2000
  assert directory.cells(plan)[0].unfinished_because() == (
      'it ran with run.max_learner_steps 1000, but is to run with 2000')


def test_a_cell_whose_last_policy_was_not_evaluated(directory, plan):
  cell = directory.cells(plan)[0]
  # As one leaves that is interrupted meanwhile.
  finished_cells.finish(cell, [(0, 1.0), (500, 2.0)], final=False)
  assert cell.unfinished_because().startswith(
      'no episode of its final evaluation ended within evaluator.max_seconds ')


def test_times_resumed(directory, plan):
  cell = directory.cells(plan)[0]
  assert cell.times_resumed() == 0
  finished_cells.finish(cell, [(0, 1.0)])
  for number in (1, 2):
    os.makedirs(os.path.join(
        cell.directory.logs_directory, f'previous_{number}'))
  assert cell.times_resumed() == 2


def test_a_cell_that_cannot_be_read(directory, plan):
  cell = directory.cells(plan)[0]
  finished_cells.finish(cell, [(0, 1.0)])
  with open(cell.directory.summary_file, 'w', encoding='utf-8') as file:
    file.write('{"stop')
  with pytest.raises(ValueError, match='n_1/7/summary.json is corrupt'):
    cell.is_finished()


def test_a_study_may_grow(directory, plan, config):
  directory.check(plan)
  directory.write(plan)
  directory.check(plan)
  directory.check(Plan(plan.study, config, ('1', '3', '5'), 3))


def test_games_may_be_given_higher_limits(directory, config):
  config.run.max_learner_steps = 0
  config.run.max_minutes = 10.0

  def plan():
    return Plan(studies.STUDIES['games'], copy.deepcopy(config),
                ('breakout',), 1)

  directory.write(plan())
  config.run.max_minutes = 20.0
  directory.check(plan())
  config.run.max_minutes = 5.0
  with pytest.raises(ValueError, match='run.max_minutes is 5.0, but must be'):
    directory.check(plan())


def test_what_a_killed_command_leaves_is_no_obstacle(directory, plan):
  with directory.locked():
    pass
  (pathlib.Path(directory.path) / '.study.json.1.2').write_text('{')
  directory.check(plan)


def test_places_where_no_study_can_be(tmp_path, plan):
  (tmp_path / 'file').write_text('')
  for path in ('file', 'file/study'):
    with pytest.raises(ValueError, match='but must be a directory, and '):
      study_directory.StudyDirectory(str(tmp_path / path)).check(plan)


@pytest.mark.parametrize('change, message', [
    (lambda plan: Plan(studies.STUDIES['actors'], plan.config, ('8',), 2),
     'must be a directory of the study actors, or a new one; it holds the '
     'study n_step'),
    (lambda plan: plan.__class__(plan.study, plan.config, ('1', '5'), 2),
     'values lacks 3, as in the study of --workdir='),
    (lambda plan: plan.__class__(plan.study, plan.config, plan.values, 1),
     'seeds is 1, but must be at least 2'),
])
def test_another_study_is_refused(directory, plan, change, message):
  directory.write(plan)
  with pytest.raises(ValueError) as error:
    directory.check(change(plan))
  assert message in str(error.value)


@pytest.mark.parametrize('section, field, value', [
    ('agent', 'n_step', 5), ('dqn', 'learning_rate', 0.5),
    ('actor', 'environments_per_actor', 4), ('run', 'seed', 1),
    # What a run may change, but the cells of a study may not.
    ('run', 'max_learner_steps', 10), ('run', 'max_learner_steps', 5000),
    ('evaluator', 'episodes', 3)])
def test_another_configuration_is_refused(directory, plan, section, field,
                                          value):
  directory.write(plan)
  before = getattr(getattr(plan.config, section), field)
  setattr(getattr(plan.config, section), field, value)
  with pytest.raises(ValueError) as error:
    directory.check(plan)
  assert str(error.value).startswith(
      f'{section}.{field} is {value!r}, but must be {before!r}')


def test_a_directory_of_something_else(directory, plan, tmp_path):
  (tmp_path / 'study').mkdir()
  directory.check(plan)  # It is empty.
  (tmp_path / 'study' / 'thesis.tex').write_text('x')
  with pytest.raises(ValueError, match='has no study.json'):
    directory.check(plan)


@pytest.mark.parametrize('text', [
    '', '[]', '{"study": "n_step"}',
    json.dumps({'study': 'none', 'values': [], 'seeds': 1, 'config': {}}),
    json.dumps({'study': 'n_step', 'values': [], 'seeds': '1', 'config': {}}),
    json.dumps({'study': 'n_step', 'values': ['1'], 'seeds': 1,
                'config': {'agent': {'steps': 3}}})])
def test_a_study_file_that_cannot_be_read(directory, plan, text):
  directory.write(plan)
  with open(directory.study_file, 'w', encoding='utf-8') as file:
    file.write(text)
  with pytest.raises(ValueError, match='study.json is not that of a study'):
    directory.check(plan)


def test_one_process_at_a_time(directory):
  with directory.locked():
    with pytest.raises(ValueError, match='that no other process runs'):
      with directory.locked():
        pass
  with directory.locked():
    pass


def test_a_cell_is_a_run_directory(directory, plan):
  cell = directory.cells(plan)[0]
  assert isinstance(cell.directory, run_directory.RunDirectory)
  assert cell.directory.path.endswith('study/cells/n_1/7')
  assert cell.log_file.endswith('study/cells/n_1/7.log')
