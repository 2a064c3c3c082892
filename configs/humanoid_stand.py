"""The paper's humanoid:stand with Ape-X DPG, on this machine's actors.

  --config=configs/humanoid_stand.py

Learning is the paper's (section 3.2 and appendix D, the defaults of
`apex_tf.config`); BUILD_NOTES.md says how its contested points are resolved.
What is scaled is the number of environments: one actor process for each core
that the learner and the replay leave, of eight environments. The paper's 64
actors: --config.actor.num_actors=8.
"""

import os

from apex_tf import config as config_lib


def get_config() -> config_lib.Config:
  """The paper's settings for continuous control."""
  config = config_lib.Config()
  config.environment.suite = 'control'
  config.environment.id = 'humanoid:stand'
  config.agent.name = 'dpg'
  config.replay.capacity = 1_000_000
  config.replay.eviction = 'prioritized'
  config.learner.batch_size = 256
  config.learner.publish_period = 20
  config.actor.num_actors = max(2, (os.cpu_count() or 1) - 2)
  config.actor.environments_per_actor = 8
  config.evaluator.episodes = 10
  config.evaluator.num_environments = 10
  config.evaluator.period_seconds = 60.0
  config.evaluator.max_seconds = 120.0
  return config
