"""Measures the replay server's memory for each stored transition.

  python -m launch.replay_memory --game=pong --items=20000

Writes random play twice, by single frames and by whole stacks. Prints by how
much each server's resident memory grew for each transition, the ratio, and what
a checkpoint of the single frames took.
"""

import os
from typing import Sequence

if __name__ == '__main__':
  # Before TensorFlow is imported; the server's process inherits them.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')

from absl import flags

from apex_tf import environments
from apex_tf.benchmarks import replay_memory
from configs import atari
from launch import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string('game', 'pong', 'Atari game in snake_case.')
flags.DEFINE_integer('items', 20_000, 'Transitions to write.',
                     lower_bound=1000)


def main(argv: Sequence[str]) -> None:
  del argv
  config = atari.get_config()
  config.environment.game = FLAGS.game
  try:
    environments.make_environment_spec(config.environment)
  except ValueError as error:
    command_line.refuse(str(error))
  frames = replay_memory.measure(config, FLAGS.items, whole_stacks=False)
  stacks = replay_memory.measure(config, FLAGS.items, whole_stacks=True)
  print(f'{FLAGS.game}, {FLAGS.items} transitions, chunks of '
        f'{config.replay.chunk_length} steps')
  print(f'single frames: {frames.memory_bytes:6.0f} bytes of server memory '
        'each')
  print(f'full stacks:   {stacks.memory_bytes:6.0f} bytes')
  print(f'ratio:         {frames.memory_bytes / stacks.memory_bytes:6.2f}')
  print(f'checkpoint:    {frames.file_bytes:6.0f} bytes each, in '
        f'{1e6 * frames.seconds:.0f} us and {frames.peak_bytes:.0f} bytes of '
        'memory')


if __name__ == '__main__':
  command_line.run(main)
