"""Atari with the paper's learning settings, on this machine's actors.

  --config=configs/atari.py --config.environment.game=pong

Learning is the paper's, point by point (the defaults of `apex_tf.config`);
BUILD_NOTES.md says how its contested points are resolved. What is scaled is
the number of environments: one actor process for each core that the learner
and the replay leave, of eight environments, with the epsilon ladder over all
of them. The paper's 360 environments: --config.actor.num_actors=45.
"""

import os

from apex_tf import config as config_lib


def get_config() -> config_lib.Config:
  """The paper's settings of section 4 and appendix C."""
  config = config_lib.Config()
  config.environment.suite = 'atari'
  config.environment.game = 'pong'
  config.environment.num_frames_stacked = 4
  config.environment.reward_clip = 1.0
  config.dqn.network = 'nature'
  config.dqn.evaluation_epsilon = 0.001
  config.actor.num_actors = max(2, (os.cpu_count() or 1) - 2)
  config.actor.environments_per_actor = 8
  config.learner.publish_period = 10
  config.evaluator.episodes = 10
  config.evaluator.num_environments = 10
  config.evaluator.period_seconds = 300.0
  config.evaluator.max_seconds = 300.0
  return config
