"""How a transition lies in Reverb: the one place that knows.

Each environment writes one endless stream of rows. A row holds the newest
frame and, once n steps are complete, the n-step transition that ends in it:

  frame               `<dtype>[*frame]`, one frame of the observation's stack.
  action              of the transition's first step.
  n_step_return       `<float32>[]`.
  bootstrap_discount  `<float32>[]`.
  learner_step        `<int64>[]`, version of the variables that chose `action`.

An item references two slices of the frame column, one for the stack of each
end of the transition, and one row of each other column. Slices share their
frames, so that a frame is sent and stored once, however many stacks and
transitions it belongs to; and all items have one shape, however many steps
they span.
"""

from typing import Any, Dict

from acme import specs
import reverb
import tensorflow as tf

TABLE = 'transitions'

FRAME = 'frame'
ACTION = 'action'
N_STEP_RETURN = 'n_step_return'
BOOTSTRAP_DISCOUNT = 'bootstrap_discount'
LEARNER_STEP = 'learner_step'

COLUMNS = (FRAME, ACTION, N_STEP_RETURN, BOOTSTRAP_DISCOUNT, LEARNER_STEP)

# Fields of an item that are not columns: the two stacks.
OBSERVATION_TM1 = 'observation_tm1'
OBSERVATION_T = 'observation_t'


def make_signature(spec: specs.EnvironmentSpec) -> Dict[str, tf.TensorSpec]:
  """Shapes and dtypes of one item.

  Args:
    spec: of one environment, observations `<dtype>[stack, *frame]`.

  Returns:
    A `tf.TensorSpec` for each field of an item.
  """
  stack = tf.TensorSpec(spec.observations.shape, spec.observations.dtype)
  return {
      OBSERVATION_TM1: stack,
      OBSERVATION_T: stack,
      ACTION: tf.TensorSpec(spec.actions.shape, spec.actions.dtype),
      N_STEP_RETURN: tf.TensorSpec([], tf.float32),
      BOOTSTRAP_DISCOUNT: tf.TensorSpec([], tf.float32),
      LEARNER_STEP: tf.TensorSpec([], tf.int64),
  }


def reference_item(writer: reverb.TrajectoryWriter, num_stacked: int,
                   num_steps: int, num_frameless: int) -> Dict[str, Any]:
  """References of the item that the writer's last row completes.

  Args:
    writer: of one environment.
    num_stacked: frames in one stack.
    num_steps: agent steps between the item's two stacks.
    num_frameless: rows without a frame since the newest frame, the last row
      included.

  Returns:
    A trajectory for `writer.create_item`.
  """
  history = writer.history
  frames = history[FRAME]
  end = -num_frameless
  last = slice(end - num_stacked, end or None)
  first = slice(end - num_steps - num_stacked, end - num_steps)
  return {
      OBSERVATION_TM1: frames[first],
      OBSERVATION_T: frames[last],
      ACTION: history[ACTION][-1],
      N_STEP_RETURN: history[N_STEP_RETURN][-1],
      BOOTSTRAP_DISCOUNT: history[BOOTSTRAP_DISCOUNT][-1],
      LEARNER_STEP: history[LEARNER_STEP][-1],
  }


def make_writer(client: reverb.Client, num_stacked: int, n_step: int,
                chunk_length: int) -> reverb.TrajectoryWriter:
  """A writer that keeps as many rows alive as an item can reference."""
  # The longest reach is a full item's first stack, seen past the rows that
  # hold the short transitions at an episode's end.
  reach = num_stacked + 2 * n_step
  writer = client.trajectory_writer(num_keep_alive_refs=max(reach, chunk_length))
  for column in COLUMNS:
    writer.configure((column,),
                     num_keep_alive_refs=max(reach, chunk_length),
                     max_chunk_length=chunk_length)
  return writer
