"""RLlib's Ape-X (ray 2.6.3, TensorFlow).

Its own defaults but for the batch; two rollout workers of `--environments`
each; learning from 16,000 transitions on, since it fails where one of its four
shards is still empty; and networks as large as ours. `--env=pong` is Pong with
RLlib's own preprocessing (84 by 84, four frames) and the paper's network,
`--env=cartpole` CartPole-v1 with a layer of 128 and streams of 128. Task
`train`: "transitions" sampled, "samples" trained.
"""

import argparse
import time
from typing import Any, Dict, List, Tuple

import ale_py
import gymnasium
import ray
from ray.rllib.algorithms.apex_dqn import ApexDQNConfig
from ray.rllib.models import ModelCatalog
from ray.rllib.models.tf.tf_modelv2 import TFModelV2
from ray.tune import registry
import tensorflow as tf

from apex_tf.benchmarks import workers

_SAMPLED, _TRAINED = 'num_env_steps_sampled', 'num_env_steps_trained'
_FEATURES = 7 * 7 * 64


class PaperTorso(TFModelV2):
  """The convolutions of the paper's network; RLlib's own pads them."""

  def __init__(self, *args: Any, **kwargs: Any):
    super().__init__(*args, **kwargs)
    pictures = tf.keras.layers.Input(shape=self.obs_space.shape)
    features = pictures
    for channels, kernel, stride in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
      features = tf.keras.layers.Conv2D(
          channels, kernel, stride, activation='relu')(features)
    self.base_model = tf.keras.Model(
        pictures, tf.keras.layers.Flatten()(features))

  def forward(self, input_dict: Dict[str, Any], state: List[Any],
              seq_lens: Any) -> Tuple[Any, List[Any]]:
    del seq_lens
    return self.base_model(tf.cast(input_dict['obs'], tf.float32)), state


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('rllib_worker')
  parser.add_argument('--env', choices=('pong', 'cartpole'), required=True)
  parser.add_argument('--batch', type=int, required=True)
  parser.add_argument('--environments', type=int, required=True)
  args = parser.parse_args()
  name, network, hiddens = 'CartPole-v1', {'fcnet_hiddens': [128]}, [128]
  if args.env == 'pong':
    name = 'pong'
    ModelCatalog.register_custom_model('paper', PaperTorso)
    # RLlib takes the torso's output size from the last of `fcnet_hiddens`.
    network, hiddens = {
        'custom_model': 'paper', 'fcnet_hiddens': [_FEATURES]}, [512]

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
      .rollouts(num_rollout_workers=2,
                num_envs_per_worker=args.environments,
                preprocessor_pref='deepmind')
      .training(train_batch_size=args.batch, model=network, hiddens=hiddens,
                num_steps_sampled_before_learning_starts=16_000)
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
