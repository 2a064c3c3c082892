"""How a batch of observations enters a network."""

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
  shape = observation.shape
  if shape.rank == 3:
    result = tf.reshape(observation, [-1, shape[1] * shape[2]])
  elif shape.rank == 4:
    result = tf.transpose(observation, [0, 2, 3, 1])
  elif shape.rank == 5:
    result = tf.reshape(
        tf.transpose(observation, [0, 2, 3, 1, 4]),
        [-1, shape[2], shape[3], shape[1] * shape[4]])
  else:
    raise ValueError(
        f'observation has shape {shape.as_list()}, but must be [batch, stack, '
        'features], [batch, stack, height, width] or [batch, stack, height, '
        'width, channels]')
  if result.dtype == tf.uint8:
    return tf.cast(result, tf.float32) / 255.0
  return tf.cast(result, tf.float32)
