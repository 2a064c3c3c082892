"""Multi-step returns and the priorities that actors give to transitions.

Numpy, because actors compute them outside of any graph. Rewards and discounts
are those of dm_env: r_t and discount_t come with the observation o_t that
follows the action a_tm1, and discount_t is 0 at a termination or a life loss,
else 1.
"""

from typing import Tuple

import numpy as np


def _check_float32(**arrays: np.ndarray) -> None:
  """Raises ValueError unless all are float32 and of one shape."""
  shapes = {name: np.shape(array) for name, array in arrays.items()}
  for name, array in arrays.items():
    if not isinstance(array, (np.ndarray, np.float32)) or (
        array.dtype != np.float32):
      kind = getattr(array, 'dtype', type(array).__name__)
      raise ValueError(f'{name} is of type {kind}, but must be float32')
  if len(set(shapes.values())) != 1:
    raise ValueError(f'the shapes are {shapes}, but must be equal')


def multi_step_returns(rewards: np.ndarray, discounts: np.ndarray,
                       gamma: float) -> Tuple[np.ndarray, np.ndarray]:
  """From each of k steps to the last: the return, and the discount after it.

      G_i = sum_{j=i..k} (prod_{i<=l<j} gamma discount_l) r_j
      bootstrap_discount_i = prod_{j=i..k} gamma discount_j

  so that G_i + bootstrap_discount_i * v(S_k) is the target of k + 1 - i steps
  from S_{i-1}. A discount of 0 cuts the rewards after it, and the bootstrap.

  Horgan et al. 2018, equation of G_t in section 3.1 and appendix F.

  Args:
    rewards: `<float32>[k]` or `<float32>[k, batch]`, r_1 to r_k, k >= 1.
    discounts: of the same shape, the environment's discounts 1 to k.
    gamma: the agent's discount of one agent step.

  Returns:
    The returns and the bootstrap discounts, each of the same shape; the first
    row is that of all k steps, the last that of one.

  Raises:
    ValueError: other types, shapes that differ, or no reward at all.
  """
  _check_float32(rewards=rewards, discounts=discounts)
  if np.ndim(rewards) not in (1, 2) or not len(rewards):
    raise ValueError(f'rewards has shape {np.shape(rewards)}, but must be [k] '
                     'or [k, batch] with k at least 1')
  # A step at a time from the last: G_i = r_i + gamma discount_i G_{i+1}.
  returns, bootstrap_discounts = rewards.copy(), np.float32(gamma) * discounts
  for step in range(len(rewards) - 2, -1, -1):
    returns[step] += bootstrap_discounts[step] * returns[step + 1]
    bootstrap_discounts[step] *= bootstrap_discounts[step + 1]
  return returns, bootstrap_discounts


def initial_priority(n_step_return: np.ndarray, bootstrap_discount: np.ndarray,
                     bootstrap_value: np.ndarray,
                     action_value: np.ndarray) -> np.ndarray:
  """The absolute n-step TD error from values that the actor already has.

      p = |G + bootstrap_discount * v(S_t+n) - q(S_t, A_t)|

  The values are those of the actor's network at the time it saw each state:
  nothing is computed again. For DQN, v(S_t+n) = max_a q(S_t+n, a).

  Horgan et al. 2018, algorithm 1 line 10 and appendix F.

  Args:
    n_step_return: `<float32>[batch]`, G; any shape that all four share.
    bootstrap_discount: `<float32>[batch]`.
    bootstrap_value: `<float32>[batch]`, v(S_t+n).
    action_value: `<float32>[batch]`, q(S_t, A_t).

  Returns:
    `<float32>[batch]`, not negative.

  Raises:
    ValueError: other types, or shapes that differ.
  """
  _check_float32(
      n_step_return=n_step_return,
      bootstrap_discount=bootstrap_discount,
      bootstrap_value=bootstrap_value,
      action_value=action_value)
  # Values that are not finite give a priority that is not; the adder refuses
  # and counts it, and a warning at each step would say no more.
  with np.errstate(invalid='ignore', over='ignore'):
    return np.abs(n_step_return + bootstrap_discount * bootstrap_value -
                  action_value)
