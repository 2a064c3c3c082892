"""Configurations of studies, and a study whose cells are known."""

import pathlib

import pytest

from apex_tf import config as config_lib
from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import studies
from apex_tf.experiments import study_directory
from configs import minatar
from configs import pendulum
from tests.experiments import finished_cells


@pytest.fixture
def config() -> config_lib.Config:
  """Of MinAtar: 2 processes of 16 environments, 8 samples an insert."""
  result = minatar.get_config()
  result.replay.samples_per_insert = 8.0
  result.learner.batch_size = 64
  result.run.max_learner_steps = 1000
  return result


@pytest.fixture
def dpg_config() -> config_lib.Config:
  """Pendulum's, of which replay is filled: 9,000 are inserted."""
  result = pendulum.get_config()
  result.replay.capacity = 5000
  result.run.max_learner_steps = 1000
  return result


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> study_directory.StudyDirectory:
  return study_directory.StudyDirectory(str(tmp_path / 'study'))


@pytest.fixture
def known_plan(directory: study_directory.StudyDirectory,
               config: config_lib.Config) -> plan_lib.Plan:
  """Seeds of finals 2, 4, 6 with n = 1; 10 with n = 3, and none with n = 5."""
  result = plan_lib.Plan(
      studies.STUDIES['n_step'], config, ('1', '3', '5'), 3)
  directory.write(result)
  finals = {('n_1', 0): 2.0, ('n_1', 1): 4.0, ('n_1', 2): 6.0,
            ('n_3', 0): 10.0}
  for cell in directory.cells(result):
    final = finals.get((cell.arm.name, cell.seed))
    if final is not None:
      finished_cells.finish(cell, [(0, 0.0), (500, 12.0), (1000, final)])
  return result
