"""Calls of TensorFlow graphs that leave nothing behind.

TensorFlow 2.8 keeps some 400 bytes of each call of a `tf.function`, a
rendezvous that nobody looks for again (tensorflow/tensorflow issues 50765 and
57982, fixed in 2.12): an actor of a small network would grow by 180 MB an hour.
The operation by which graphs call graphs keeps nothing, provided that the
environment has `TF_RUN_EAGER_OP_AS_FUNCTION=1` when TensorFlow is imported,
and it takes half the time of a small call. `process_environment` sets
that variable.
"""

from typing import Any, Callable, Dict, Tuple

import tensorflow as tf


class GraphCall:
  """A function of tensors as a graph, called as one operation.

  It is traced at the first call, and again for other types, shapes and dtypes
  of its arguments, each of which is a tensor or a (named) tuple of tensors.
  """

  def __init__(self, function: Callable[..., Any]):
    """Traces nothing yet.

    Args:
      function: to any structure of tensors; its variables exist, and its
        control flow is Python's.
    """
    self._function = function
    self._traces: Dict[Tuple[Any, ...], _Trace] = {}

  def __call__(self, *arguments: Any) -> Any:
    """What the function returns.

    Raises:
      Exception: whatever the function raises while it is traced.
    """
    tensors = [tf.convert_to_tensor(a) for a in tf.nest.flatten(arguments)]
    key = (*map(type, arguments),
           *((t.dtype, tuple(t.shape)) for t in tensors))
    if key not in self._traces:
      self._traces[key] = _Trace(
          self._function, tf.nest.pack_sequence_as(arguments, tensors))
    return self._traces[key](tensors)


class _Trace:
  """One graph of the function."""

  def __init__(self, function: Callable[..., Any], arguments: Any):
    # Kept, since the graph goes with it.
    # Without AutoGraph, which would leave a file in /tmp for each function.
    self._graph = tf.function(
        function, autograph=False).get_concrete_function(*arguments)
    self._captured = list(self._graph.captured_inputs)
    self._outputs = self._graph.structured_outputs
    self._dtypes = [output.dtype for output in tf.nest.flatten(self._outputs)]

  def __call__(self, tensors: Any) -> Any:
    outputs = tf.raw_ops.StatefulPartitionedCall(
        args=tensors + self._captured, Tout=self._dtypes, f=self._graph.name)
    return tf.nest.pack_sequence_as(self._outputs, outputs)
