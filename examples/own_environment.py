"""An environment and a network of one's own, in a preset of one's own.

  .venv/bin/python -m launch.train --config=examples/own_environment.py \\
      --workdir=runs/own

A preset is Python, so all three fit in one file. Every process imports it by
the name in `MODULE`, from the folder that the command is run in.
"""

import gymnasium
import numpy as np
import sonnet as snt
import tensorflow as tf

from apex_tf import config as config_lib
from apex_tf.networks import initializers
from configs import cartpole

MODULE = 'examples.own_environment'


class Walk(gymnasium.Env):
  """Eleven places in a row and a goal: -0.1 a step, +1 at the goal."""

  observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)
  action_space = gymnasium.spaces.Discrete(2)

  def reset(self, *, seed=None, options=None):
    super().reset(seed=seed)
    self.place, self.goal = self.np_random.choice(11, size=2, replace=False)
    return self._observation(), {}

  def step(self, action):
    self.place = np.clip(self.place + (1 if action else -1), 0, 10)
    arrived = self.place == self.goal
    return self._observation(), 1.0 if arrived else -0.1, arrived, False, {}

  def _observation(self):
    return np.array([self.place, self.goal], np.float32) / 10


# The registry outlives this file where it is also loaded as the preset.
if 'Walk-v0' not in gymnasium.registry:
  gymnasium.register('Walk-v0', f'{MODULE}:Walk', max_episode_steps=50)


def make_torso(rng: np.random.Generator) -> snt.Module:
  """From `<float32>[batch, 2]` to features; the dueling head comes after."""
  return snt.Sequential([
      snt.Linear(64, w_init=initializers.FanInUniform(rng, gain=2.0)),
      tf.nn.elu,
  ])


def get_config() -> config_lib.Config:
  """CartPole's settings for this task."""
  config = cartpole.get_config()
  config.environment.id = f'{MODULE}:Walk-v0'
  config.dqn.network = f'{MODULE}:make_torso'
  # At most 10 steps to the goal, on average 4: 0.7 is the best mean return.
  config.run.target_return = 0.6
  return config
