"""stack_to_channels against loops over the axes."""

import numpy as np
import pytest
import tensorflow as tf

from apex_tf import networks


@pytest.fixture(name='function', params=['eager', 'graph'])
def fixture_function(request):
  function = networks.stack_to_channels
  return tf.function(function) if request.param == 'graph' else function


def _random(shape, dtype):
  rng = np.random.default_rng(0)
  if np.issubdtype(dtype, np.floating):
    return rng.standard_normal(shape).astype(dtype)
  high = 2 if dtype == np.bool_ else 256 if dtype == np.uint8 else 9
  return rng.integers(high, size=shape).astype(dtype)


# The two ways that observations take: bytes are scaled.
_BOTH_WAYS = pytest.mark.parametrize('dtype', [np.float32, np.uint8])


def _as_input(observation):
  return observation / np.float32(255 if observation.dtype == np.uint8 else 1)


@_BOTH_WAYS
def test_grey_frames_become_channels(function, dtype):
  observation = _random((2, 4, 5, 6), dtype)
  result = function(observation).numpy()
  assert result.shape == (2, 5, 6, 4)
  for frame in range(4):
    np.testing.assert_allclose(
        result[..., frame], _as_input(observation)[:, frame], rtol=1e-6)


@_BOTH_WAYS
def test_channels_of_each_frame_stay_together(function, dtype):
  observation = _random((2, 3, 5, 6, 4), dtype)
  result = function(observation).numpy()
  assert result.shape == (2, 5, 6, 12)
  for frame in range(3):
    for channel in range(4):
      np.testing.assert_allclose(
          result[..., frame * 4 + channel],
          _as_input(observation)[:, frame, ..., channel], rtol=1e-6)


@_BOTH_WAYS
@pytest.mark.parametrize('stack', [1, 3])
def test_vectors_are_laid_end_to_end(function, stack, dtype):
  observation = _random((2, stack, 5), dtype)
  result = function(observation).numpy()
  assert result.shape == (2, stack * 5)
  np.testing.assert_allclose(
      result, [np.concatenate(list(row)) for row in _as_input(observation)],
      rtol=1e-6)


@pytest.mark.parametrize('dtype', [
    np.uint8, np.bool_, np.float32, np.float64, np.int32, np.int64])
@pytest.mark.parametrize('shape', [(2, 1, 4), (2, 2, 3, 3), (2, 2, 3, 3, 2)])
def test_casts_to_float32(function, dtype, shape):
  observation = _random(shape, dtype)
  result = function(observation)
  assert result.dtype == tf.float32
  scale = 255 if dtype == np.uint8 else 1
  np.testing.assert_allclose(
      np.sort(result, axis=None),
      np.sort(observation.astype(np.float64) / scale, axis=None), rtol=1e-6)


def test_white_is_one_and_black_is_zero(function):
  result = function(np.array([[[[0, 255]]]], np.uint8))
  np.testing.assert_array_equal(result, [[[[0.], [1.]]]])


@_BOTH_WAYS
@pytest.mark.parametrize('shape', [(2,), (2, 1), (2, 1, 3, 3, 3, 3)])
def test_other_ranks_are_refused(function, shape, dtype):
  with pytest.raises(ValueError, match='observation has shape'):
    function(np.zeros(shape, dtype))
