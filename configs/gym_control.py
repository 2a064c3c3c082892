"""Any gymnasium id with bounded continuous actions, such as HalfCheetah-v5.

  --config=configs/gym_control.py --config.environment.id=HalfCheetah-v5
"""

from apex_tf import config as config_lib
from configs import control


def get_config() -> config_lib.Config:
  """The settings of dm_control's suite on two cores."""
  config = control.get_config()
  config.environment.suite = 'gymnasium'
  config.environment.id = 'HalfCheetah-v5'
  return config
