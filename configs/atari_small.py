"""Atari on two cores: the network of 2013 and small batches. [ours]

  --config=configs/atari_small.py --config.environment.game=pong
"""

from apex_tf import config as config_lib
from configs import atari


def get_config() -> config_lib.Config:
  """What learns fastest in wall time where there is no GPU."""
  config = atari.get_config()
  config.environment.full_action_set = False
  config.dqn.network = 'dqn2013'
  config.dqn.dueling_hidden_size = 256
  config.dqn.learning_rate = 2e-4
  config.dqn.target_update_period = 1000
  config.replay.capacity = 300_000
  config.replay.min_size = 10_000
  config.replay.samples_per_insert = 8.0
  config.actor.num_actors = 2
  config.actor.environments_per_actor = 8
  config.learner.batch_size = 32
  # One takes several times what is learned, and holds up the gradient less.
  config.learner.num_samplers = 1
  config.learner.publish_period = 25
  config.evaluator.episodes = 4
  config.evaluator.num_environments = 4
  config.evaluator.period_seconds = 120.0
  config.evaluator.max_seconds = 90.0
  return config
