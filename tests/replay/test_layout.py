"""How a transition lies in Reverb."""

from acme import specs
import numpy as np
import pytest
import reverb
import tensorflow as tf

from apex_tf.replay import layout


def _make_spec(actions):
  return specs.EnvironmentSpec(
      observations=specs.BoundedArray((3, 5, 6), np.uint8, 0, 255),
      actions=actions,
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0.0, 1.0))


@pytest.mark.parametrize('actions, expected', [
    (specs.DiscreteArray(4), tf.TensorSpec([], tf.int32)),
    (specs.DiscreteArray(4, np.int64), tf.TensorSpec([], tf.int64)),
    (specs.BoundedArray((2,), np.float32, -1, 1),
     tf.TensorSpec([2], tf.float32)),
])
def test_signature(actions, expected):
  signature = layout.make_signature(_make_spec(actions))
  assert signature == {
      'observation_tm1': tf.TensorSpec([3, 5, 6], tf.uint8),
      'observation_t': tf.TensorSpec([3, 5, 6], tf.uint8),
      'action': expected,
      'n_step_return': tf.TensorSpec([], tf.float32),
      'bootstrap_discount': tf.TensorSpec([], tf.float32),
      'learner_step': tf.TensorSpec([], tf.int64),
  }


@pytest.mark.parametrize('chunk_length', [1, 8, 40])
@pytest.mark.parametrize('num_stacked', [1, 3])
@pytest.mark.parametrize('n_step', [1, 4])
def test_a_writer_reaches_every_frame_of_an_item(serve, num_stacked, n_step,
                                                 chunk_length):
  """The longest item, and the short ones behind rows without a frame."""
  client = serve([
      reverb.Table('unused', reverb.selectors.Fifo(), reverb.selectors.Fifo(),
                   10, reverb.rate_limiters.MinSize(1))]).localhost_client()
  writer = layout.make_writer(client, num_stacked, n_step, chunk_length)
  row = {
      layout.ACTION: np.int32(7), layout.N_STEP_RETURN: np.float32(0.5),
      layout.BOOTSTRAP_DISCOUNT: np.float32(0.25),
      layout.LEARNER_STEP: np.int64(11),
  }
  last = 60
  for number in range(last + 1):
    writer.append({layout.FRAME: np.array([number]), **row})
  items = [(n_step, layout.reference_item(writer, num_stacked, n_step, 0))]
  for num_frameless, num_steps in enumerate(range(n_step - 1, 0, -1), start=1):
    writer.append({**row, layout.ACTION: np.int32(num_steps)})
    items.append((num_steps, layout.reference_item(
        writer, num_stacked, num_steps, num_frameless)))
  for num_steps, item in items:
    for name, end in ((layout.OBSERVATION_T, last),
                      (layout.OBSERVATION_TM1, last - num_steps)):
      assert item[name].numpy()[:, 0].tolist() == list(
          range(end - num_stacked + 1, end + 1))
    assert item[layout.ACTION].numpy() == (
        7 if num_steps == n_step else num_steps)
    assert item[layout.N_STEP_RETURN].numpy() == 0.5
    assert item[layout.BOOTSTRAP_DISCOUNT].numpy() == 0.25
    assert item[layout.LEARNER_STEP].numpy() == 11
  writer.close()
