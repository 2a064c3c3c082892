"""Pendulum-v1 with Ape-X DPG: minutes on two cores.

  --config=configs/pendulum.py
"""

from apex_tf import config as config_lib
from configs import control


def get_config() -> config_lib.Config:
  """The settings of `control`, faster, and a stop once it is solved."""
  config = control.get_config()
  config.environment.suite = 'gymnasium'
  config.environment.id = 'Pendulum-v1'
  config.dpg.learning_rate = 1e-3
  config.replay.capacity = 100_000
  config.replay.min_size = 1_000
  config.replay.samples_per_insert_tolerance = 2.0
  config.evaluator.episodes = 20
  config.evaluator.num_environments = 20
  config.evaluator.period_seconds = 10.0
  # A solved policy has -150 on average; where episodes begin decides most of
  # the rest, 18 either way in the mean of 20.
  config.run.target_return = -160.0
  config.run.max_minutes = 10.0
  return config
