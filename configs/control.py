"""dm_control's suite with Ape-X DPG, on two cores. [ours]

  --config=configs/control.py --config.environment.id=walker:stand
"""

from apex_tf import config as config_lib


def get_config() -> config_lib.Config:
  """What learns fastest in wall time where there is no GPU."""
  config = config_lib.Config()
  config.environment.suite = 'control'
  config.environment.id = 'cartpole:swingup'
  config.agent.name = 'dpg'
  config.dpg.learning_rate = 3e-4
  config.replay.capacity = 500_000
  config.replay.min_size = 5_000
  config.replay.eviction = 'prioritized'
  config.replay.samples_per_insert = 16.0
  config.learner.batch_size = 128
  config.learner.publish_period = 20
  config.actor.sync_period = 20
  config.evaluator.episodes = 10
  config.evaluator.num_environments = 10
  config.evaluator.period_seconds = 60.0
  return config
