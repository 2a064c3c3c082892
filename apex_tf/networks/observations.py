"""How a batch of observations enters a network."""

import functools
from typing import Callable

import tensorflow as tf


def stack_to_channels(observation: tf.Tensor) -> tf.Tensor:
  """Moves the stack axis into the channels, and casts to float32.

      [batch, stack, height, width]           -> [batch, height, width, stack]
      [batch, stack, height, width, channels] -> [batch, height, width,
                                                  stack * channels]
      [batch, stack, features]                -> [batch, stack * features]

  The channels of the oldest frame come first. uint8 is divided by 255; all
  other numbers and booleans keep their value.

  Args:
    observation: `<dtype>[batch, stack, *frame]`.

  Returns:
    `<float32>[batch, height, width, channels]` or `<float32>[batch,
    features]`.

  Raises:
    ValueError: a frame that is neither a vector nor an image.
  """
  observation = tf.convert_to_tensor(observation)
  if observation.dtype == tf.uint8:
    return _bytes_to_channels()(observation)
  return tf.cast(_move_stack(observation), tf.float32)


@functools.cache
def _bytes_to_channels() -> Callable[[tf.Tensor], tf.Tensor]:
  """The function for uint8, whose pictures are large, made at the first call.

  TensorFlow 2.8 moves, casts and scales bytes on a CPU in three passes, none
  of which uses vector instructions: together a quarter of a learner step of 64
  Atari transitions. XLA makes one loop of them, four times as fast. A GPU does
  them fast as they are, and XLA would want CUDA's compiler for it.
  """
  def bytes_to_channels(observation: tf.Tensor) -> tf.Tensor:
    return tf.cast(_move_stack(observation), tf.float32) / 255.0

  return tf.function(
      bytes_to_channels, autograph=False,
      jit_compile=not tf.config.list_physical_devices('GPU'))


def _move_stack(observation: tf.Tensor) -> tf.Tensor:
  """The shape of `stack_to_channels`, in the observation's own dtype."""
  shape = observation.shape
  if shape.rank == 3:
    return tf.reshape(observation, [-1, shape[1] * shape[2]])
  if shape.rank == 4:
    return tf.transpose(observation, [0, 2, 3, 1])
  if shape.rank == 5:
    return tf.reshape(
        tf.transpose(observation, [0, 2, 3, 1, 4]),
        [-1, shape[2], shape[3], shape[1] * shape[4]])
  raise ValueError(
      f'observation has shape {shape.as_list()}, but must be [batch, stack, '
      'features], [batch, stack, height, width] or [batch, stack, height, '
      'width, channels]')
