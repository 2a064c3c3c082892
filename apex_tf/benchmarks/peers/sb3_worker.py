"""Stable-Baselines3 2.0.0's DQN on Pong.

Its own defaults but for the batch, a replay of 50,000 transitions, learning
from 1000 transitions on, and an epsilon of 0.05 from the start. Sixteen
environments, as many as our actor has, in a `DummyVecEnv`, which was no slower
than a `SubprocVecEnv` on two cores; after as many transitions as a batch has
samples comes one gradient step, so that there is one sample for each
transition. Pong with its own preprocessing (84 by 84, four frames) and its
`CnnPolicy`, which is the paper's network without the dueling. Task `learn`:
"transitions", "samples".
"""

import argparse
from typing import Dict

import ale_py
from stable_baselines3 import DQN
from stable_baselines3.common import env_util
from stable_baselines3.common import logger
from stable_baselines3.common import vec_env

from apex_tf.benchmarks import workers

_NUM_ENVIRONMENTS = 16


def make_environments() -> vec_env.VecEnv:
  """All of them, stacked."""
  assert ale_py  # Imported: that registers the id.
  # The wrappers skip the frames themselves.
  return vec_env.VecFrameStack(env_util.make_atari_env(
      'ALE/Pong-v5', n_envs=_NUM_ENVIRONMENTS, env_kwargs={
          'frameskip': 1, 'repeat_action_probability': 0.0,
          'full_action_space': True}), 4)


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('sb3_worker')
  parser.add_argument('--batch', type=int, required=True)
  batch_size = parser.parse_args().batch
  agent = DQN(
      'CnnPolicy', make_environments(), batch_size=batch_size,
      # Steps of all environments at once.
      train_freq=batch_size // _NUM_ENVIRONMENTS, gradient_steps=1,
      buffer_size=50_000, learning_starts=1000, exploration_initial_eps=0.05)
  agent.set_logger(logger.Logger(None, []))

  def step() -> float:
    """Acts for a batch, then learns from one."""
    agent.learn(batch_size, reset_num_timesteps=False)
    return float(batch_size)

  def counts() -> Dict[str, float]:
    return {'transitions': float(agent.num_timesteps),
            'samples': float(batch_size * agent._n_updates)}

  while not counts()['samples']:
    step()

  def learn(seconds: float) -> workers.Window:
    before = counts()
    window = workers.count(step, seconds, {})
    return {**window, **{
        name: value - before[name] for name, value in counts().items()}}

  workers.serve({'learn': learn})


if __name__ == '__main__':
  main()
