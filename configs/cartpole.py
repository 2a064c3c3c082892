"""CartPole-v1, solved in a few minutes on two cores: the default small task."""

from apex_tf import config as config_lib


def get_config() -> config_lib.Config:
  """A small network, a small replay, and a stop once it is solved."""
  config = config_lib.Config()
  config.environment.id = 'CartPole-v1'
  config.dqn.hidden_sizes = (128,)
  config.dqn.dueling_hidden_size = 128
  # Ten steps and a long horizon tell the agent sooner that it drifts away.
  config.agent.n_step = 10
  config.agent.discount = 0.995
  config.dqn.learning_rate = 5e-4
  config.dqn.target_update_period = 100
  config.replay.capacity = 20_000
  config.replay.min_size = 1_000
  config.replay.samples_per_insert = 4.0
  config.replay.samples_per_insert_tolerance = 2.0
  config.learner.batch_size = 64
  config.learner.publish_period = 20
  config.actor.sync_period = 20
  config.evaluator.period_seconds = 5.0
  # Solved is 475; a little more leaves room for the final evaluation's luck.
  config.run.target_return = 490.0
  config.run.max_minutes = 10.0
  return config
