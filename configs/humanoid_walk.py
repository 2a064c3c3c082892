"""The paper's humanoid:walk with Ape-X DPG.

  --config=configs/humanoid_walk.py
"""

from apex_tf import config as config_lib
from configs import humanoid_stand


def get_config() -> config_lib.Config:
  """The settings of humanoid:stand."""
  config = humanoid_stand.get_config()
  config.environment.id = 'humanoid:walk'
  return config
