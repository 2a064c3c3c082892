"""RLlib's Ape-X (ray 2.6.3, TensorFlow).

Its own defaults, with two rollout workers of eight environments each, as many
as ours has in one actor; learning from 4,000 transitions on. `--env=pong` is
Pong with RLlib's own preprocessing (84 by 84, four frames) and its default
vision network, `--env=cartpole` CartPole-v1. Task `train`: "transitions"
sampled, "samples" trained.
"""

import argparse
import time

import ale_py
import gymnasium
import ray
from ray.rllib.algorithms.apex_dqn import ApexDQNConfig
from ray.tune import registry

from apex_tf.benchmarks import workers

_SAMPLED, _TRAINED = 'num_env_steps_sampled', 'num_env_steps_trained'


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('rllib_worker')
  parser.add_argument('--env', choices=('pong', 'cartpole'), required=True)
  parser.add_argument('--batch', type=int, required=True)
  args = parser.parse_args()
  name = 'CartPole-v1'
  if args.env == 'pong':
    name = 'pong'

    def make(unused_context: object) -> gymnasium.Env:
      assert ale_py  # Imported: that registers the id.
      # RLlib's wrappers skip the frames themselves.
      environment = gymnasium.make('ALE/Pong-v5', frameskip=1,
                                   repeat_action_probability=0.0)
      # Where RLlib 2.6 looks for it, as the shim of that time had it.
      environment.unwrapped.gym_env = environment.unwrapped
      return environment

    registry.register_env(name, make)
  ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False,
           logging_level='ERROR')
  algorithm = (
      ApexDQNConfig()
      .environment(name)
      .framework('tf')
      .rollouts(num_rollout_workers=2, num_envs_per_worker=8,
                preprocessor_pref='deepmind')
      .training(train_batch_size=args.batch,
                num_steps_sampled_before_learning_starts=4000)
      .resources(num_gpus=0)
      .reporting(min_time_s_per_iteration=1,
                 min_sample_timesteps_per_iteration=0)
      .build())
  while not algorithm.train()['counters'].get(_TRAINED, 0):
    pass

  def train(seconds: float) -> workers.Window:
    before = dict(algorithm.train()['counters'])
    start = time.monotonic()
    after = before
    while time.monotonic() - start < seconds:
      after = dict(algorithm.train()['counters'])
    return {
        'seconds': time.monotonic() - start,
        'transitions': float(after[_SAMPLED] - before[_SAMPLED]),
        'samples': float(after[_TRAINED] - before[_TRAINED]),
    }

  workers.serve({'train': train})
  ray.shutdown()


if __name__ == '__main__':
  main()
