"""The epsilon ladder by hand, and what is random by its frequencies."""

import math

import numpy as np
import pytest

from apex_tf import exploration


def test_ladder_of_the_paper():
  ladder = exploration.epsilon_ladder(360, 0.4, 7.0)
  assert ladder.shape == (360,)
  assert ladder[0] == pytest.approx(0.4)
  assert ladder[-1] == pytest.approx(0.4**8) == pytest.approx(6.5536e-4)
  assert np.all(np.diff(ladder) < 0)


def test_ladder_by_hand():
  # Exponents 1, 2 and 3.
  np.testing.assert_allclose(
      exploration.epsilon_ladder(3, 0.5, 2.0), [0.5, 0.25, 0.125])


@pytest.mark.parametrize('num_environments, base, alpha, expected', [
    (1, 0.4, 7.0, [0.4]),
    (2, 0.4, 7.0, [0.4, 0.4**8]),
    (3, 0.4, 0.0, [0.4, 0.4, 0.4]),
    (2, 0.0, 7.0, [0.0, 0.0]),
    (2, 1.0, 7.0, [1.0, 1.0]),
])
def test_ladder_ends(num_environments, base, alpha, expected):
  np.testing.assert_allclose(
      exploration.epsilon_ladder(num_environments, base, alpha), expected)


@pytest.mark.parametrize('num_environments, num_epsilons, exponents', [
    (6, 3, [1, 1, 2, 2, 3, 3]),
    (7, 3, [1, 1, 1, 2, 2, 3, 3]),  # Neighbors share as evenly as they can.
    (4, 1, [1, 1, 1, 1]),
    (3, 3, [1, 2, 3]),
    (3, 8, [1, 2, 3]),
    (3, 0, [1, 2, 3]),
])
def test_few_epsilons_are_shared(num_environments, num_epsilons, exponents):
  np.testing.assert_allclose(
      exploration.epsilon_ladder(num_environments, 0.5, 2.0, num_epsilons),
      0.5 ** np.array(exponents, float))


def test_six_epsilons_of_the_paper():
  # Figure 7 has six; here 360 actors, 60 of each.
  ladder = exploration.epsilon_ladder(360, 0.4, 7.0, 6)
  values, counts = np.unique(ladder, return_counts=True)
  np.testing.assert_allclose(
      values[::-1], 0.4 ** np.array([1, 2.4, 3.8, 5.2, 6.6, 8]))
  assert counts.tolist() == [60] * 6


def test_ladder_refuses_no_environment():
  with pytest.raises(ValueError, match='num_environments is 0'):
    exploration.epsilon_ladder(0, 0.4, 7.0)


def test_greedy_takes_the_first_of_the_best():
  q_values = np.array([[1., 3., 3.], [5., 0., 2.], [-1., -1., -1.]])
  actions = exploration.epsilon_greedy(
      q_values, np.zeros(3), np.random.default_rng(0))
  assert actions.dtype == np.int64
  np.testing.assert_array_equal(actions, [1, 0, 0])


def test_frequencies_are_those_of_epsilon():
  epsilons = np.array([0.0, 0.1, 0.4, 1.0])
  best = np.array([2, 0, 3, 1])
  q_values = np.eye(4)[best]
  rng = np.random.default_rng(7)
  num_draws = 20_000
  counts = np.zeros((4, 4))
  for _ in range(num_draws):
    actions = exploration.epsilon_greedy(q_values, epsilons, rng)
    counts[np.arange(4), actions] += 1
  expected = epsilons[:, None] / 4 + (1 - epsilons)[:, None] * q_values
  # Five standard deviations of a binomial frequency.
  tolerance = 5 * np.sqrt(expected * (1 - expected) / num_draws)
  assert np.all(np.abs(counts / num_draws - expected) <= tolerance + 1e-12)


def test_environments_explore_independently():
  rng = np.random.default_rng(8)
  actions = np.stack([
      exploration.epsilon_greedy(np.zeros((2, 2)), np.ones(2), rng)
      for _ in range(4000)
  ])
  agreement = np.mean(actions[:, 0] == actions[:, 1])
  assert abs(agreement - 0.5) < 5 * 0.5 / np.sqrt(4000)


def test_same_seed_same_actions():
  q_values, epsilons = np.zeros((16, 6)), np.full(16, 0.5)
  first, second = (
      [exploration.epsilon_greedy(q_values, epsilons, rng) for _ in range(5)]
      for rng in (np.random.default_rng(1), np.random.default_rng(1)))
  np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize('q_shape, epsilon_shape', [
    ((3,), (3,)), ((3, 2), (2,)), ((3, 2), (3, 1))])
def test_shapes_that_do_not_agree(q_shape, epsilon_shape):
  with pytest.raises(ValueError, match='must be'):
    exploration.epsilon_greedy(
        np.zeros(q_shape), np.zeros(epsilon_shape), np.random.default_rng(0))


NOISE_CALLS, NOISE_BATCH, NOISE_SIZE = 20_000, 3, 2


def _noise(scale, seed=0):
  """`<float64>[call, element]`."""
  rng = np.random.default_rng(seed)
  calls = [exploration.gaussian_noise((NOISE_BATCH, NOISE_SIZE), scale, rng)
           for _ in range(NOISE_CALLS)]
  assert calls[0].shape == (NOISE_BATCH, NOISE_SIZE)
  assert calls[0].dtype == np.float32
  return np.reshape(calls, (NOISE_CALLS, -1)).astype(np.float64)


@pytest.mark.parametrize('scale', [0.3, 2.0])
def test_noise_is_normal(scale):
  noise = _noise(scale)
  # Five standard deviations of each statistic, everywhere.
  for values in (*noise.T, noise.ravel()):
    size = values.size
    assert abs(values.mean()) < 5 * scale / np.sqrt(size)
    assert abs(values.std() - scale) < 5 * scale / np.sqrt(2 * size)
    for z in (-3.0, -2.0, -1.0, -0.25, 0.0, 0.25, 1.0, 2.0, 3.0):
      share = 0.5 * (1 + math.erf(z / math.sqrt(2)))
      assert abs(np.mean(values < z * scale) - share) < 5 * np.sqrt(
          share * (1 - share) / size), z


def test_noise_is_independent_between_elements_and_calls():
  noise = _noise(0.3)
  # All elements of one call beside all of the next; their squares too, as
  # numbers may depend on each other without being correlated.
  pairs = np.concatenate([noise[:-1], noise[1:]], axis=1)
  for values in (pairs, pairs**2):
    correlation = np.corrcoef(values.T)
    others = ~np.eye(len(correlation), dtype=bool)
    assert np.max(np.abs(correlation[others])) < 5 / np.sqrt(NOISE_CALLS)


def test_same_seed_same_noise():
  first, second, third = (
      exploration.gaussian_noise((4, 5), 0.3, np.random.default_rng(seed))
      for seed in (1, 1, 2))
  np.testing.assert_array_equal(first, second)
  assert np.all(first != third)
  rng = np.random.default_rng(1)
  calls = [exploration.gaussian_noise((4, 5), 0.3, rng) for _ in range(2)]
  np.testing.assert_array_equal(calls[0], first)
  assert np.all(calls[0] != calls[1])


@pytest.mark.parametrize('shape', [(3, 2), (1, 1), (2, 0)])
def test_noise_of_scale_zero_is_zero(shape):
  noise = exploration.gaussian_noise(shape, 0.0, np.random.default_rng(0))
  assert noise.dtype == np.float32
  np.testing.assert_array_equal(noise, np.zeros(shape))
