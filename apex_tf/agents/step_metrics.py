"""Metrics of a learner step that every agent reports."""

from typing import Dict

import tensorflow as tf


def of_batch(td_error: tf.Tensor,
             importance_weights: tf.Tensor) -> Dict[str, tf.Tensor]:
  """Describes a batch of prioritized samples.

  Args:
    td_error: `<float32>[batch]`, before the update.
    importance_weights: `<float32>[batch]`.

  Returns:
    `<float32>[]` each: td_error_p10, _p50 and _p90, percentiles of the absolute
    TD error; weight_mean and weight_min.
  """
  sorted_error = tf.sort(tf.abs(td_error))
  return {
      'weight_mean': tf.reduce_mean(importance_weights),
      'weight_min': tf.reduce_min(importance_weights),
      **{
          f'td_error_p{percent}': _percentile(sorted_error, percent / 100)
          for percent in (10, 50, 90)
      },
  }


def _percentile(sorted_values: tf.Tensor, fraction: float) -> tf.Tensor:
  """Interpolates linearly in `<float32>[batch]` that is sorted already."""
  place = fraction * tf.cast(tf.size(sorted_values) - 1, tf.float32)
  below = tf.gather(sorted_values, tf.cast(tf.floor(place), tf.int32))
  above = tf.gather(sorted_values, tf.cast(tf.math.ceil(place), tf.int32))
  return below + (place - tf.floor(place)) * (above - below)
