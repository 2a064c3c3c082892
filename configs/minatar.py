"""MinAtar (Young and Tian 2019): Atari's games on a 10 by 10 grid.

  --config=configs/minatar.py --config.environment.game=breakout

The games: asterix, breakout, freeway, seaquest, space_invaders; all six
actions and sticky actions of 0.1, as the `-v0` ids have them.
"""

from apex_tf import config as config_lib


def get_config() -> config_lib.Config:
  """Sized for two cores. [ours]"""
  config = config_lib.Config()
  config.environment.suite = 'minatar'
  config.environment.game = 'breakout'
  # Some games can go on for ever; this is far above any good episode.
  config.environment.max_episode_steps = 10_000
  config.dqn.network = 'minatar'
  config.dqn.dueling_hidden_size = 128
  config.dqn.learning_rate = 1e-3
  config.dqn.target_update_period = 300
  config.replay.capacity = 500_000
  config.replay.min_size = 5_000
  config.replay.samples_per_insert = 4.0
  config.actor.num_actors = 2
  config.actor.environments_per_actor = 16
  config.learner.batch_size = 128
  config.learner.num_samplers = 1
  config.evaluator.period_seconds = 30.0
  return config
