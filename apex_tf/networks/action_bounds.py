"""The bounds of continuous actions, as networks see them."""

from acme import specs
import numpy as np
import tensorflow as tf


class ActionBounds:
  """Bounds of flattened actions, and what lies between them.

  Attributes:
    minimum: `<float32>[size]`.
    maximum: `<float32>[size]`.
    middle: `<float32>[size]`, halfway between them.
    half_range: `<float32>[size]`, from the middle to either.
    size: elements of an action.
  """

  def __init__(self, action_spec: specs.BoundedArray):
    """Args: action_spec: of one environment, with finite bounds."""
    self._action_spec = action_spec
    self.minimum, self.maximum = (
        np.broadcast_to(bound, action_spec.shape).astype(np.float32).ravel()
        for bound in (action_spec.minimum, action_spec.maximum))
    # Halved first: the sum of two bounds may be too large for float32.
    self.middle = 0.5 * self.maximum + 0.5 * self.minimum
    self.half_range = 0.5 * self.maximum - 0.5 * self.minimum
    self.size = self.minimum.size

  def clip(self, action: tf.Tensor) -> tf.Tensor:
    """Clips `<float32>[batch, size]` to the bounds."""
    return tf.clip_by_value(action, self.minimum, self.maximum)

  def flatten(self, action: tf.Tensor) -> tf.Tensor:
    """`[batch, *action]` as `<float32>[batch, size]`."""
    return tf.cast(tf.reshape(action, [-1, self.size]), tf.float32)

  def unflatten(self, action: np.ndarray) -> np.ndarray:
    """`<float32>[batch, size]` as `[batch, *action]`, of the spec's dtype."""
    spec = self._action_spec
    return action.astype(spec.dtype).reshape((-1,) + tuple(spec.shape))
