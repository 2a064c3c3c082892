"""Pendulum-v1 with Ape-X DPG: minutes on two cores.

  --config=configs/pendulum.py
"""

from apex_tf import config as config_lib


def get_config() -> config_lib.Config:
  """Small batches, a small replay, and a faster learner than the paper's."""
  config = config_lib.Config()
  config.environment.id = 'Pendulum-v1'
  config.agent.name = 'dpg'
  config.dpg.learning_rate = 1e-3
  config.replay.capacity = 100_000
  config.replay.min_size = 1_000
  config.replay.eviction = 'prioritized'
  config.replay.samples_per_insert = 16.0
  config.replay.samples_per_insert_tolerance = 2.0
  config.learner.batch_size = 128
  config.learner.publish_period = 20
  config.actor.sync_period = 20
  config.evaluator.period_seconds = 10.0
  # A solved policy has -150 on average; where an episode begins decides most
  # of the rest.
  config.run.target_return = -140.0
  config.run.max_minutes = 10.0
  return config
