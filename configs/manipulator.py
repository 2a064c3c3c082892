"""The paper's manipulator:bring_ball with Ape-X DPG.

  --config=configs/manipulator.py
"""

from apex_tf import config as config_lib
from configs import humanoid_stand


def get_config() -> config_lib.Config:
  """The settings of humanoid:stand."""
  config = humanoid_stand.get_config()
  config.environment.id = 'manipulator:bring_ball'
  return config
