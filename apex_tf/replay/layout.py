"""How a transition lies in Reverb: the one place that knows.

Each environment writes one endless stream of rows of two columns:

  frame  `<dtype>[*frame]`, the newest frame of the observation's stack.
  step   `<float32>[3 + action size]`, once n steps are complete: the n-step
         return, the bootstrap discount, the learner step of the policy and the
         action of the n-step transition that ends in the frame.

An item references one row of `step` and two slices of `frame`, one for the
stack of each end of the transition. Slices share their frames, so that a frame
is sent and stored once, however many stacks and transitions it belongs to; and
all items have one shape, however many steps they span.

The small numbers share a column because Reverb keeps 250 to 300 bytes of
bookkeeping for each column of each item. As float32, actions and learner steps
are exact up to 2^24.
"""

from typing import Any, Dict, Mapping, NamedTuple

from acme import specs
import numpy as np
import reverb
import tensorflow as tf

TABLE = 'transitions'

FRAME = 'frame'
STEP = 'step'

# Fields of an item that are not columns: the two stacks.
OBSERVATION_TM1 = 'observation_tm1'
OBSERVATION_T = 'observation_t'

# Rows that are compressed together in one chunk: an item is sent when the
# chunks it references are full, or when its writer is flushed.
_STEP_CHUNK_LENGTH = 16

_NUM_SCALARS = 3


class Steps(NamedTuple):
  """The numbers of a batch of transitions.

  Attributes:
    n_step_return: `<float32>[batch]`.
    bootstrap_discount: `<float32>[batch]`.
    learner_step: `<int64>[batch]`, version of the policy that chose the action.
    action: `[batch, *action]`, of the action spec's dtype.
  """
  n_step_return: Any
  bootstrap_discount: Any
  learner_step: Any
  action: Any


def encode_steps(steps: Steps) -> np.ndarray:
  """Rows of the column `step`, `<float32>[batch, 3 + action size]`."""
  return np.column_stack([
      *steps[:_NUM_SCALARS], steps.action.reshape(len(steps.action), -1)
  ]).astype(np.float32)


def decode_steps(rows: tf.Tensor, action_spec: specs.Array) -> Steps:
  """The inverse, in TensorFlow.

  Args:
    rows: `<float32>[batch, 3 + action size]`.
    action_spec: of one environment.

  Returns:
    What was encoded.
  """
  n_step_return, bootstrap_discount, learner_step = tf.unstack(
      rows[:, :_NUM_SCALARS], axis=1)
  action = tf.reshape(rows[:, _NUM_SCALARS:], (-1,) + action_spec.shape)
  return Steps(n_step_return, bootstrap_discount,
               tf.cast(learner_step, tf.int64),
               tf.cast(action, action_spec.dtype))


def make_signature(spec: specs.EnvironmentSpec) -> Dict[str, tf.TensorSpec]:
  """Shapes and dtypes of one item.

  Args:
    spec: of one environment, observations `<dtype>[stack, *frame]`.

  Returns:
    A `tf.TensorSpec` for each field of an item.
  """
  stack = tf.TensorSpec(spec.observations.shape, spec.observations.dtype)
  action_size = int(np.prod(spec.actions.shape, dtype=int))
  return {
      OBSERVATION_TM1: stack,
      OBSERVATION_T: stack,
      STEP: tf.TensorSpec([_NUM_SCALARS + action_size], tf.float32),
  }


def reference_item(history: Mapping[str, Any], num_stacked: int,
                   num_steps: int, num_frameless: int) -> Dict[str, Any]:
  """References of the item that a writer's last row completes.

  Args:
    history: of the writer of one environment, with both columns. It is the
      same object for all of a writer's rows, and costs to ask for.
    num_stacked: frames in one stack.
    num_steps: agent steps between the item's two stacks.
    num_frameless: rows without a frame since the newest frame, the last row
      included.

  Returns:
    A trajectory for `writer.create_item`.
  """
  frames = history[FRAME]
  end = -num_frameless
  last = slice(end - num_stacked, end or None)
  first = slice(end - num_steps - num_stacked, end - num_steps)
  return {
      OBSERVATION_TM1: frames[first],
      OBSERVATION_T: frames[last],
      STEP: history[STEP][-1],
  }


def make_writer(client: reverb.Client, num_stacked: int, n_step: int,
                chunk_length: int) -> reverb.TrajectoryWriter:
  """A writer that keeps as many rows alive as an item can reference.

  Args:
    client: of the replay server.
    num_stacked: frames in one stack.
    n_step: agent steps of a full transition.
    chunk_length: frames that are compressed together.
  """
  # The longest reach is a full item's first stack, seen past the rows that
  # hold the short transitions at an episode's end.
  reach = num_stacked + 2 * n_step
  keep_alive = max(reach, chunk_length, _STEP_CHUNK_LENGTH)
  writer = client.trajectory_writer(num_keep_alive_refs=keep_alive)
  for column, length in ((FRAME, chunk_length), (STEP, _STEP_CHUNK_LENGTH)):
    writer.configure((column,), num_keep_alive_refs=max(reach, length),
                     max_chunk_length=length)
  return writer
