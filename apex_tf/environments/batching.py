"""What the batched environments of both kinds share."""

import abc
from typing import List, Optional

from acme import specs
import dm_env
import numpy as np

from apex_tf.environments import base

# The generators of ALE take non-negative 32-bit seeds.
_SEED_MODULUS = 2**31


def environment_seeds(seed: int, num_environments: int) -> List[int]:
  """The seed of each environment: (seed + i) modulo 2^31.

  Args:
    seed: of the batch, at least 0.
    num_environments: at least 1.

  Raises:
    ValueError: names the argument, its value and what is allowed.
  """
  if num_environments < 1:
    raise ValueError(
        f'num_environments is {num_environments}, but must be at least 1')
  if seed < 0:
    raise ValueError(f'seed is {seed}, but must be at least 0')
  return [(seed + i) % _SEED_MODULUS for i in range(num_environments)]


def first_timestep(observation: np.ndarray) -> dm_env.TimeStep:
  """The time step in which every environment begins an episode.

  Args:
    observation: `<dtype>[E, stack, *frame]`.
  """
  num_environments = len(observation)
  return dm_env.TimeStep(
      step_type=np.full(num_environments, dm_env.StepType.FIRST, np.int32),
      reward=np.zeros(num_environments, np.float32),
      discount=np.ones(num_environments, np.float32),
      observation=observation)


def next_timestep(
    observation: np.ndarray,
    reward: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    is_first: np.ndarray,
    life_lost: Optional[np.ndarray] = None) -> dm_env.TimeStep:
  """Any other time step.

  Args:
    observation: `<dtype>[E, stack, *frame]`.
    reward: `[E]`, of any number type; without meaning where `is_first`.
    terminated: `<bool>[E]`; without meaning where `is_first`.
    truncated: `<bool>[E]`; without meaning where `is_first` or `terminated`.
    is_first: `<bool>[E]`, environments that this step has reset.
    life_lost: `<bool>[E]`, environments whose value ends here although their
      episode may go on; without meaning where `is_first`.
  """
  step_type = np.where(terminated | truncated, dm_env.StepType.LAST,
                       dm_env.StepType.MID).astype(np.int32)
  step_type[is_first] = dm_env.StepType.FIRST
  ends_value = terminated if life_lost is None else terminated | life_lost
  return dm_env.TimeStep(
      step_type=step_type,
      reward=np.where(is_first, 0, reward).astype(np.float32),
      discount=np.where(ends_value & ~is_first, 0, 1).astype(np.float32),
      observation=observation)


def check_actions(actions: np.ndarray, spec: specs.Array,
                  num_environments: int) -> np.ndarray:
  """The actions as an array, refused where an environment would not notice.

  ALE waits forever for an environment that got an action it does not have.

  Args:
    actions: `[E, *action]`.
    spec: of one environment's action.
    num_environments: E.

  Returns:
    The same, `[E, *action]`.

  Raises:
    ValueError: another shape, or a discrete action that does not exist.
  """
  actions = np.asarray(actions)
  shape = (num_environments, *spec.shape)
  if actions.shape != shape:
    raise ValueError(
        f'actions is of shape {actions.shape}, but must be of shape {shape}')
  if isinstance(spec, specs.DiscreteArray):
    if not np.issubdtype(actions.dtype, np.integer):
      raise ValueError(
          f'actions is of dtype {actions.dtype}, but must be of integers')
    if actions.min() < 0 or actions.max() >= spec.num_values:
      raise ValueError(f'actions is {actions.tolist()}, but must be at least 0 '
                       f'and less than {spec.num_values}')
  return actions


class VectorEnvironment(base.BatchedEnvironment):
  """Over a library's vector of environments: seeds, first reset, checks."""

  def __init__(self, seed: int, num_environments: int):
    """As `environment_seeds`."""
    self._seeds = environment_seeds(seed, num_environments)
    self._was_reset = False

  @property
  def num_environments(self) -> int:
    return len(self._seeds)

  def reset(self) -> dm_env.TimeStep:
    """Begins an episode in every environment.

    Returns:
      A batched time step, all FIRST.
    """
    observation = self._reset(None if self._was_reset else list(self._seeds))
    self._was_reset = True
    return first_timestep(observation)

  def step(self, action: np.ndarray) -> dm_env.TimeStep:
    """Steps every environment, or resets it if its episode has ended.

    Args:
      action: `<int>[E]` from 0, or `<float>[E, *action]`.

    Returns:
      A batched time step.

    Raises:
      ValueError: actions of a wrong shape or out of range.
    """
    action = check_actions(action, self.action_spec(), self.num_environments)
    return self._step(action) if self._was_reset else self.reset()

  @abc.abstractmethod
  def _reset(self, seeds: Optional[List[int]]) -> np.ndarray:
    """Begins all episodes; `seeds` only the first time. Observations."""

  @abc.abstractmethod
  def _step(self, action: np.ndarray) -> dm_env.TimeStep:
    """As `step`, after a reset and with checked actions."""
