"""What the batched environments of all suites share."""

import abc
from typing import Any, Dict, List, Optional, Sequence

from absl import logging
from acme import specs
import dm_env
import numpy as np

from apex_tf.environments import base
from apex_tf.environments import pictures
from apex_tf.environments import refusals

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
    ValueError: another shape, a discrete action that does not exist, or a
      continuous one that is not a number or not within its bounds.
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
  elif isinstance(spec, specs.BoundedArray) and not (
      (actions >= spec.minimum) & (actions <= spec.maximum)).all():
    raise ValueError(
        f'actions is {actions.tolist()}, but must be at least '
        f'{spec.minimum.tolist()} and at most {spec.maximum.tolist()}')
  return actions


def unit_action_spec(shape: Sequence[int]) -> specs.BoundedArray:
  """The spec of continuous actions with finite bounds, from -1 to 1.

  Args:
    shape: of one action.
  """
  return specs.BoundedArray(shape, np.float32, -1.0, 1.0, name='action')


def from_unit(actions: np.ndarray, low: np.ndarray,
              high: np.ndarray) -> np.ndarray:
  """Maps [-1, 1] to the bounds of a task, affinely and element by element.

  In float64, and never beyond the bounds by a rounding. Bounds of -1 and 1
  leave an action as it is.

  Args:
    actions: `<float>[..., *action]`, from -1 to 1.
    low: `<float>[*action]`, finite.
    high: `<float>[*action]`, finite, at least `low`.

  Returns:
    `<float64>[..., *action]`.
  """
  low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
  # Halved first, since high - low may be too large for a float.
  center, half = high / 2 + low / 2, high / 2 - low / 2
  return np.clip(center + half * np.asarray(actions, np.float64), low, high)


class VectorEnvironment(base.BatchedEnvironment):
  """Over a library's vector of environments: seeds, first reset, checks.

  And what becomes of a simulator that broke, see `base.BatchedEnvironment`, or
  that cannot draw.
  """

  def __init__(self, seed: int, num_environments: int):
    """As `environment_seeds`."""
    self._seeds = environment_seeds(seed, num_environments)
    self._was_reset = False
    self._is_stepping = False  # Between the two halves of a step.
    self._num_broken_episodes = 0
    # What a subclass knows of an environment that broke in its newest step.
    self._causes: Dict[int, str] = {}

  @property
  def num_environments(self) -> int:
    return len(self._seeds)

  @property
  def num_broken_episodes(self) -> int:
    return self._num_broken_episodes

  def reset(self) -> dm_env.TimeStep:
    """Begins an episode in every environment.

    Returns:
      A batched time step, all FIRST.

    Raises:
      RuntimeError: an observation that is not finite.
    """
    if self._is_stepping and self._was_reset:
      self._end()
    self._is_stepping = False
    observation = self._reset(None if self._was_reset else list(self._seeds))
    self._was_reset = True
    timestep = first_timestep(observation)
    self._check_first(timestep, ~_is_finite(timestep))
    return timestep

  def step(self, action: np.ndarray) -> dm_env.TimeStep:
    """Steps every environment, or resets it if its episode has ended.

    Args:
      action: `<int>[E]` from 0, or `<float>[E, *action]`.

    Returns:
      A batched time step.

    Raises:
      ValueError: actions of a wrong shape or out of range.
      RuntimeError: an episode begins with an observation that is not finite.
    """
    self.begin_step(action)
    return self.end_step()

  def begin_step(self, action: np.ndarray) -> None:
    """As of `base.BatchedEnvironment`."""
    if self._is_stepping:
      raise RuntimeError('begin_step was called, but must be followed by '
                         'end_step before it is called again')
    action = check_actions(action, self.action_spec(), self.num_environments)
    self._is_stepping = True
    if self._was_reset:
      self._begin(action)

  def end_step(self) -> dm_env.TimeStep:
    """As of `base.BatchedEnvironment`."""
    if not self._is_stepping:
      raise RuntimeError('end_step was called, but must follow begin_step')
    if not self._was_reset:
      return self.reset()
    timestep = self._end()
    self._is_stepping = False
    is_broken = ~_is_finite(timestep)
    return self._mend(timestep, is_broken) if is_broken.any() else timestep

  def render(self) -> np.ndarray:
    """As of `base.BatchedEnvironment`; what is shown, `_draw` says."""
    try:
      return pictures.to_picture(self._draw())
    except Exception as error:  # What a library or a driver raises is open.
      raise ValueError(f'{self.name} cannot be rendered: '
                       f'{refusals.one_line(error)}') from error

  def _mend(self, timestep: dm_env.TimeStep,
            is_broken: np.ndarray) -> dm_env.TimeStep:
    """The time step in which the broken environments begin anew.

    Args:
      timestep: with observations or rewards that are not finite.
      is_broken: `<bool>[E]`, where.
    """
    self._check_first(timestep, is_broken)
    for index in np.flatnonzero(is_broken):
      self._num_broken_episodes += 1
      count = self._num_broken_episodes
      if count & (count - 1) == 0:  # 1, 2, 4, 8, ...
        logging.warning(
            '%s: environment %d begins anew, because %s; broken episodes in '
            'this process until now: %d', self.name, index,
            self._causes.get(index) or _what_broke(timestep, index), count)
    self._causes.clear()
    first = first_timestep(self._restart(is_broken))
    self._check_first(first, ~_is_finite(first))
    return dm_env.TimeStep(
        step_type=np.where(is_broken, first.step_type, timestep.step_type),
        reward=np.where(is_broken, first.reward, timestep.reward),
        discount=np.where(is_broken, first.discount, timestep.discount),
        observation=first.observation)

  def _check_first(self, timestep: dm_env.TimeStep,
                   is_broken: np.ndarray) -> None:
    """Refuses an episode that is broken from its start: so is the next."""
    for index in np.flatnonzero(
        is_broken & (timestep.step_type == dm_env.StepType.FIRST)):
      raise RuntimeError(
          f'{self.name}: environment {index} cannot begin an episode, because '
          f'{self._causes.get(index) or _what_broke(timestep, index)}')

  @abc.abstractmethod
  def _reset(self, seeds: Optional[List[int]]) -> np.ndarray:
    """Begins all episodes; `seeds` only the first time. Observations."""

  def _begin(self, action: np.ndarray) -> None:
    """As `begin_step`, after a reset and with checked actions.

    By default it keeps them, as `_begun`, for `_end`.
    """
    self._begun = action

  @abc.abstractmethod
  def _end(self) -> dm_env.TimeStep:
    """As `end_step`, after a `_begin`."""

  def _restart(self, mask: np.ndarray) -> np.ndarray:
    """Begins the episodes of some environments; the others stay as they are.

    By default that is refused: an emulator's numbers are always finite.

    Args:
      mask: `<bool>[E]`, which.

    Returns:
      The newest observations of all.

    Raises:
      RuntimeError: these environments cannot begin one by one.
    """
    raise RuntimeError(f'{self.name}: environments {np.flatnonzero(mask)} '
                       'broke, and cannot begin anew without the others')

  def _draw(self) -> Any:
    """Draws environment 0 as it is now; by default there is no picture.

    Returns:
      An image as `pictures.to_picture` takes it, of one shape.

    Raises:
      Exception: of any type; `render` names the environment.
    """
    raise ValueError('it draws no picture')


def _is_finite(timestep: dm_env.TimeStep) -> np.ndarray:
  """`<bool>[E]`: newest frame and reward are; older frames were checked."""
  frames = timestep.observation[:, -1]
  result = np.isfinite(timestep.reward)
  if np.issubdtype(frames.dtype, np.floating):
    result &= np.isfinite(frames).reshape(len(frames), -1).all(axis=1)
  return result


def _what_broke(timestep: dm_env.TimeStep, index: int) -> str:
  reward = timestep.reward[index]
  if not np.isfinite(reward):
    return f'its reward is {reward}'
  frame = timestep.observation[index, -1].ravel()
  elements = np.flatnonzero(~np.isfinite(frame))
  return (f'its observation is {frame[elements[0]]} in element {elements[0]} '
          f'({len(elements)} of {frame.size} are not finite)')
