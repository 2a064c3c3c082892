"""The networks against counts and forward passes worked out by hand."""

from dm_env import specs
import numpy as np
import pytest
import sonnet as snt
import tensorflow as tf

from apex_tf import agent_config
from apex_tf import network_inputs
from apex_tf import networks
from apex_tf.networks import initializers


def _config(network: str, **changes) -> agent_config.DQNConfig:
  return agent_config.DQNConfig(network=network, **changes)


def _build(config, num_actions, shape, dtype=np.float32, seed=0):
  network = networks.make_q_network(config, num_actions, seed)
  networks.create_variables(network, specs.Array(shape, dtype))
  return network


def _num_parameters(module: snt.Module) -> int:
  return sum(int(np.prod(v.shape)) for v in module.trainable_variables)


def _dueling_parameters(features, hidden, num_actions):
  return (2 * (features * hidden + hidden) + hidden + 1 +
          hidden * num_actions + num_actions)


# Parameters of each torso and its features, by hand: kernel height x width x
# inputs x outputs + outputs.
CASES = {
    'nature': (
        (4, 84, 84), np.uint8, 18,
        8224 + 32832 + 36928, 7 * 7 * 64),
    'dqn2013': (
        (4, 84, 84), np.uint8, 6,
        4112 + 8224 + (9 * 9 * 32 * 256 + 256), 256),
    'minatar': (
        (1, 10, 10, 7), np.bool_, 6,
        (3 * 3 * 7 * 16 + 16) + (8 * 8 * 16 * 128 + 128), 128),
    'mlp': (
        (2, 4), np.float64, 2,
        (8 * 256 + 256), 256),
}


@pytest.mark.parametrize('name', CASES)
def test_parameters_and_output(name):
  shape, dtype, num_actions, torso_parameters, features = CASES[name]
  network = _build(_config(name), num_actions, shape, dtype)
  assert _num_parameters(network) == torso_parameters + _dueling_parameters(
      features, 512, num_actions)
  q_values = network(np.ones((3,) + shape, dtype))
  assert q_values.shape == (3, num_actions)
  assert q_values.dtype == tf.float32
  assert np.all(np.isfinite(q_values))


def test_nature_dueling_network_has_3_300_019_parameters():
  # 8224 + 32832 + 36928 + 2 * 1606144 + 513 + 9234.
  network = _build(_config('nature'), 18, (4, 84, 84), np.uint8)
  assert _num_parameters(network) == 3_300_019


def test_every_network_of_the_configuration_is_tested():
  assert set(CASES) == set(agent_config.NETWORKS)


def test_dueling_forward_pass_is_that_of_numpy():
  network = _build(
      _config('mlp', hidden_sizes=(7, 5), dueling_hidden_size=6), 3, (2, 4))
  rng = np.random.default_rng(0)
  for variable in network.variables:  # Biases that are not zero.
    variable.assign(rng.standard_normal(variable.shape).astype(np.float32))
  observation = rng.standard_normal((9, 2, 4)).astype(np.float32)
  weights = {v.name.split(':')[0]: v.numpy() for v in network.variables}

  def linear(x, layer):
    name = next(n for n in weights if f'/{layer}/' in n).rsplit('/', 1)[0]
    return x @ weights[f'{name}/w'] + weights[f'{name}/b']

  features = observation.reshape(9, 8)
  for layer in ('linear_0', 'linear_1'):
    features = np.maximum(linear(features, layer), 0)
  value = linear(np.maximum(linear(features, 'value_hidden'), 0), 'value')
  advantage = linear(
      np.maximum(linear(features, 'advantage_hidden'), 0), 'advantage')
  expected = value + advantage - advantage.mean(axis=1, keepdims=True)
  np.testing.assert_allclose(network(observation), expected, rtol=1e-4,
                             atol=1e-4)
  # The mean over actions is the value stream alone.
  np.testing.assert_allclose(
      np.mean(network(observation), axis=1), value[:, 0], rtol=1e-4, atol=1e-4)


def test_convolutions_are_valid_cross_correlations():
  torso = networks.make_torso('minatar', (), np.random.default_rng(0))
  image = np.random.default_rng(1).standard_normal((1, 5, 4, 2)).astype(
      np.float32)
  result = torso(tf.constant(image))
  kernel, conv_bias, weight, bias = sorted(
      torso.trainable_variables, key=lambda v: ('conv' not in v.name,
                                                v.shape.rank == 1))
  pixels = np.zeros((3, 2, 16))
  for row in range(3):
    for column in range(2):
      patch = image[0, row:row + 3, column:column + 3]
      pixels[row, column] = np.einsum('hwc,hwco->o', patch, kernel)
  hidden = np.maximum(pixels + conv_bias.numpy(), 0).reshape(-1)
  np.testing.assert_allclose(
      result[0], np.maximum(hidden @ weight.numpy() + bias.numpy(), 0),
      rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', ['nature', 'dqn2013', 'minatar'])
def test_smallest_image_leaves_one_pixel(name):
  torso = networks.make_torso(name, (), np.random.default_rng(0))
  size = network_inputs.MINIMUM_SIZES[name]
  assert torso(tf.zeros([1, size, size, 1])).shape[0] == 1
  # The arithmetic of VALID convolutions, backwards from one pixel.
  needed = 1
  for kernel, stride in {
      'nature': [(3, 1), (4, 2), (8, 4)],
      'dqn2013': [(4, 2), (8, 4)],
      'minatar': [(3, 1)]}[name]:
    needed = (needed - 1) * stride + kernel
  assert size == needed


@pytest.mark.parametrize('name, shape, words', [
    ('nature', (4, 35, 84),
     "dqn.network is 'nature'.*36x36.*one of dqn2013, minatar.*35 x 84 x 4"),
    ('dqn2013', (1, 10, 10, 4),
     "dqn.network is 'dqn2013'.*20x20.*one of minatar.*10 x 10 x 4"),
    ('minatar', (1, 4), "dqn.network is 'minatar'.*one of mlp.*for"),
    ('mlp', (4, 84, 84),
     "dqn.network is 'mlp', which takes vectors.*nature, dqn2013, minatar"),
    ('minatar', (1, 2, 2), 'none fits'),
])
def test_unsuitable_observation(name, shape, words):
  with pytest.raises(ValueError, match=words):
    _build(_config(name), 2, shape)


def test_unknown_network():
  with pytest.raises(ValueError, match="dqn.network is 'resnet'.*nature"):
    networks.make_torso('resnet', (), np.random.default_rng(0))


def test_same_seed_same_weights_whatever_was_drawn_before():
  first = _build(_config('mlp'), 2, (1, 4), seed=3)
  tf.random.set_seed(99)
  tf.random.uniform([5])
  second = _build(_config('mlp'), 2, (1, 4), seed=3)
  third = _build(_config('mlp'), 2, (1, 4), seed=4)
  assert len(first.variables) == 10
  for one, two, three in zip(
      first.variables, second.variables, third.variables):
    np.testing.assert_array_equal(one, two)
    assert one.shape.rank == 1 or np.any(one.numpy() != three.numpy())


def test_no_layer_starts_like_another():
  weights = [v.numpy() for v in _build(
      _config('mlp', hidden_sizes=(8, 8), dueling_hidden_size=8), 8,
      (1, 8)).trainable_variables if v.shape == (8, 8)]
  assert len(weights) == 5
  for i, weight in enumerate(weights):
    for other in weights[:i]:
      assert np.all(weight != other)


@pytest.mark.parametrize('shape, fan_in', [
    ((300, 200), 300), ((8, 8, 4, 32), 256)])
@pytest.mark.parametrize('gain', [1.0, 2.0])
def test_initial_variance_is_gain_over_fan_in(shape, fan_in, gain):
  values = initializers.FanInUniform(np.random.default_rng(0), gain)(
      shape, tf.float32).numpy()
  assert values.shape == shape
  assert values.dtype == np.float32
  assert np.max(np.abs(values)) <= np.sqrt(3 * gain / fan_in)
  assert np.var(values) == pytest.approx(gain / fan_in, rel=0.05)
  assert abs(np.mean(values)) < 5 * np.sqrt(gain / fan_in / values.size)


def test_activations_keep_their_scale_through_relu_layers():
  torso = networks.make_torso('mlp', (512,) * 6, np.random.default_rng(0))
  inputs = np.random.default_rng(1).standard_normal((64, 512))
  outputs = torso(tf.constant(inputs, tf.float32))
  # E[x^2] is kept by ReLU layers whose weights have variance 2 / fan_in.
  assert 0.5 < np.mean(np.square(outputs)) < 2.0
