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


_ACTIONS = [
    (specs.DiscreteArray(4), np.int32(3)),
    (specs.DiscreteArray(2**20, np.int64), np.int64(2**20 - 1)),
    (specs.BoundedArray((2,), np.float32, -1, 1),
     np.array([0.1, -0.7], np.float32)),
    (specs.BoundedArray((2, 1), np.float32, -1, 1),
     np.array([[1.0], [-1.0]], np.float32)),
]


@pytest.mark.parametrize('spec, action', _ACTIONS)
def test_signature(spec, action):
  assert layout.make_signature(_make_spec(spec)) == {
      'observation_tm1': tf.TensorSpec([3, 5, 6], tf.uint8),
      'observation_t': tf.TensorSpec([3, 5, 6], tf.uint8),
      'step': tf.TensorSpec([3 + action.size], tf.float32),
  }


@pytest.mark.parametrize('spec, action', _ACTIONS)
def test_numbers_of_a_step_come_back(spec, action):
  rows = layout.encode_steps(layout.Steps(
      np.full(2, 0.1, np.float32), np.full(2, 0.970299, np.float32),
      np.full(2, 2**24 - 1, np.int64), np.stack([action, 0 * action])))
  signature = layout.make_signature(_make_spec(spec))['step']
  assert (rows.shape, rows.dtype) == ((2, *signature.shape), signature.dtype)
  found = tf.function(
      lambda rows: layout.decode_steps(rows, spec))(rows)
  assert found.n_step_return.numpy().tobytes() == np.full(
      2, 0.1, np.float32).tobytes()
  assert found.bootstrap_discount.numpy().tobytes() == np.full(
      2, 0.970299, np.float32).tobytes()
  assert found.learner_step.dtype == tf.int64
  assert found.learner_step.numpy().tolist() == [2**24 - 1] * 2
  assert found.action.dtype == spec.dtype
  np.testing.assert_array_equal(found.action, np.stack([action, 0 * action]))


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
  row = np.array([0.5, 0.25, 11, 7], np.float32)
  last = 150
  for number in range(last + 1):
    writer.append({layout.FRAME: np.array([number]), layout.STEP: row})
    if not number:  # Asked for once, as the adder does.
      history = writer.history
  items = [(n_step, layout.reference_item(history, num_stacked, n_step, 0))]
  for num_frameless, num_steps in enumerate(range(n_step - 1, 0, -1), start=1):
    writer.append({layout.STEP: row * num_steps})
    items.append((num_steps, layout.reference_item(
        history, num_stacked, num_steps, num_frameless)))
  for num_steps, item in items:
    for name, end in ((layout.OBSERVATION_T, last),
                      (layout.OBSERVATION_TM1, last - num_steps)):
      assert item[name].numpy()[:, 0].tolist() == list(
          range(end - num_stacked + 1, end + 1))
    np.testing.assert_array_equal(
        item[layout.STEP].numpy(),
        row if num_steps == n_step else row * num_steps)
  writer.close()
