"""Any gymnasium id with discrete actions, such as Acrobot-v1.

  --config=configs/gym.py --config.environment.id=Acrobot-v1
"""

from apex_tf import config as config_lib
from configs import cartpole


def get_config() -> config_lib.Config:
  """CartPole's settings without its target, with a little more replay."""
  config = cartpole.get_config()
  config.environment.id = 'Acrobot-v1'
  config.replay.capacity = 50_000
  config.run = config_lib.RunConfig()
  return config
