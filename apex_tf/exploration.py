"""How much each environment explores, and with what random numbers; numpy."""

from typing import Sequence

import numpy as np


def epsilon_ladder(num_environments: int, base: float, alpha: float,
                   num_epsilons: int = 0) -> np.ndarray:
  """A constant epsilon for each environment, its own or that of a few.

      epsilon_i = base^(1 + i alpha / (N - 1)),  i = 0 .. N - 1

  With N = 1 the only epsilon is `base`. Horgan et al. 2018, section 4.1, with
  base 0.4 and alpha 7: from 0.4 down to 0.4^8 = 6.55e-4. With K < N epsilons
  it is a ladder of K, each of them for N / K neighbors, rounded up or down; its
  appendix B has K = 6.

  Args:
    num_environments: N, the environments of all actors.
    base: epsilon of the first environment.
    alpha: how much farther than `base` the ladder reaches.
    num_epsilons: K; 0, or more than N: as many as environments.

  Returns:
    `<float64>[num_environments]`, not increasing for base in [0, 1].

  Raises:
    ValueError: without an environment.
  """
  if num_environments < 1:
    raise ValueError(
        f'num_environments is {num_environments}, but must be at least 1')
  num_rungs = min(num_epsilons or num_environments, num_environments)
  rungs = np.arange(num_environments) * num_rungs // num_environments
  exponents = 1 + alpha * rungs / max(num_rungs - 1, 1)
  return np.power(float(base), exponents)


def epsilon_greedy(q_values: np.ndarray, epsilons: np.ndarray,
                   rng: np.random.Generator) -> np.ndarray:
  """A uniform action with probability epsilon, else the first of the best.

  The uniform choice is over all actions, the greedy one included. Each call
  draws the same number of random numbers whatever the values are.

  Args:
    q_values: `<float>[batch, num_actions]`.
    epsilons: `<float>[batch]`.
    rng: the source of randomness; advanced.

  Returns:
    `<int64>[batch]`.

  Raises:
    ValueError: shapes that do not agree.
  """
  if q_values.ndim != 2 or epsilons.shape != q_values.shape[:1]:
    raise ValueError(
        f'q_values has shape {q_values.shape} and epsilons {epsilons.shape}, '
        'but must be [batch, num_actions] and [batch]')
  batch_size, num_actions = q_values.shape
  explores = rng.random(batch_size) < epsilons
  random_action = rng.integers(num_actions, size=batch_size)
  return np.where(explores, random_action, np.argmax(q_values, axis=1))


def gaussian_noise(shape: Sequence[int], scale: float,
                   rng: np.random.Generator) -> np.ndarray:
  """Independent normal noise for each element of a batch of actions.

  Horgan et al. 2018, appendix D: N(0, 0.3^2), the same for all actors and not
  correlated in time.

  Args:
    shape: of the batch.
    scale: the standard deviation; 0 for none.
    rng: the source of randomness; advanced.

  Returns:
    `<float32>[*shape]`.
  """
  return (scale * rng.standard_normal(shape)).astype(np.float32)
