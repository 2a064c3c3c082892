"""Configurations of studies."""

import pytest

from apex_tf import config as config_lib
from configs import minatar
from configs import pendulum


@pytest.fixture
def config() -> config_lib.Config:
  """MinAtar's: 2 processes of 16 environments, 8 samples an insert."""
  result = minatar.get_config()
  result.run.max_learner_steps = 1000
  return result


@pytest.fixture
def dpg_config() -> config_lib.Config:
  result = pendulum.get_config()
  result.run.max_learner_steps = 1000
  return result
