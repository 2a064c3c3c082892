"""Any gymnasium environment, and MinAtar's, in the batched shape.

MinAtar: Young and Tian 2019, arXiv 1903.03176. Its `-v0` ids have all six
actions in every game, sticky actions with probability 0.1, and no step limit.
"""

from typing import Any, Callable, List, Optional

from acme import specs
import dm_env
import gymnasium
from gymnasium.vector import AutoresetMode
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import FlattenObservation
from gymnasium.wrappers import FrameStackObservation
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers import TransformAction
from gymnasium.wrappers import TransformObservation
import numpy as np

from apex_tf.environments import batching
from apex_tf.environments import opengl

# The games of MinAtar.
MINATAR_GAMES = ('asterix', 'breakout', 'freeway', 'seaquest',
                 'space_invaders')


class GymnasiumVectorEnvironment(batching.VectorEnvironment):
  """Gymnasium environments stepped one after the other in this process.

  Observations: a Box keeps its shape; uint8 and bool keep their type, other
  numbers become float32. Any other space, and a Box without axes, is flattened
  to a float32 vector (`gymnasium.spaces.flatten_space`: one-hot for Discrete).
  The frames of a stack that lie before the episode are zeros, as in ALE.

  Actions: Discrete, counted from 0 whatever the space's start, or a Box of
  floats as float32 from -1 to 1, which are mapped to the space's bounds. If
  one of these is infinite, all actions are within the space's bounds.
  """

  def __init__(self,
               make: Callable[[], gymnasium.Env],
               num_environments: int,
               seed: int,
               num_frames_stacked: int = 1,
               max_episode_steps: int = 0):
    """Makes the environments.

    Args:
      make: returns a new environment; one of render mode rgb_array for
        `render`.
      num_environments: E.
      seed: environment i is seeded with (seed + i) modulo 2^31 at the first
        `reset`, and continues its random sequence from then on.
      num_frames_stacked: frames in one observation.
      max_episode_steps: agent steps after which an episode is truncated, if
        the environment's own limit does not come first; 0 for none.

    Raises:
      ValueError: an argument out of range, or a space that is not supported.
    """
    super().__init__(seed, num_environments)
    self._stacked = num_frames_stacked > 1
    self._vector = SyncVectorEnv(
        [lambda: _wrap(make(), num_frames_stacked, max_episode_steps)] *
        num_environments,
        copy=False,
        autoreset_mode=AutoresetMode.NEXT_STEP)
    first = self._vector.envs[0]
    self.name = (first.spec.id if first.spec else
                 type(first.unwrapped).__name__)
    self.render_fps = float(
        first.metadata.get('render_fps') or self.render_fps)
    space: Any = self._vector.single_observation_space
    shape = space.shape if self._stacked else (1, *space.shape)
    self._observation_spec = specs.Array(
        shape, space.dtype, name='observation')
    self._action_spec = make_action_spec(self._vector.single_action_space)
    # Environments that the next step resets.
    self._ended = np.zeros(num_environments, np.bool_)

  def _reset(self, seeds: Optional[List[int]]) -> np.ndarray:
    observation, _ = self._vector.reset(
        seed=None if seeds is None else [*seeds])
    self._ended = np.zeros(self.num_environments, np.bool_)
    return self._to_observation(observation)

  def _end(self) -> dm_env.TimeStep:
    space = self._vector.single_action_space
    action = self._begun.astype(space.dtype)
    if isinstance(space, gymnasium.spaces.Discrete):
      action += space.start
    is_first = self._ended
    observation, reward, terminated, truncated, _ = self._vector.step(action)
    self._ended = terminated | truncated
    return batching.next_timestep(
        self._to_observation(observation), reward, terminated, truncated,
        is_first)

  def _restart(self, mask: np.ndarray) -> np.ndarray:
    observation, _ = self._vector.reset(options={'reset_mask': mask})
    self._ended = self._ended & ~mask
    return self._to_observation(observation)

  def observation_spec(self) -> specs.Array:
    """Of one environment: `<dtype>[stack, *frame]`."""
    return self._observation_spec

  def action_spec(self) -> specs.BoundedArray:
    """Of one environment: a `DiscreteArray`, or a float32 `BoundedArray`."""
    return self._action_spec

  def _draw(self) -> Any:
    """As the environment draws itself in render mode rgb_array."""
    with opengl.use_default():
      return self._vector.envs[0].render()

  def close(self) -> None:
    """Closes every environment."""
    self._vector.close()

  def _to_observation(self, observation: np.ndarray) -> np.ndarray:
    """A new array, because gymnasium writes into the same one at each step."""
    observation = observation.copy()
    return observation if self._stacked else observation[:, np.newaxis]


def minatar_id(game: str) -> str:
  """The gymnasium id of a game of MinAtar, registered if it was not.

  Args:
    game: one of `MINATAR_GAMES`.

  Raises:
    ImportError: MinAtar is not installed.
  """
  result = f'MinAtar/{game.title().replace("_", "")}-v0'
  # Imported for the check even if registered: making it imports it anyway.
  import minatar.gym
  if result not in gymnasium.registry:
    minatar.gym.register_envs()
  return result


def check_spaces(environment: gymnasium.Env) -> None:
  """Checks that an environment's spaces have a batched shape.

  Raises:
    ValueError: names the space and what is allowed.
  """
  _flat_space(environment.observation_space)
  make_action_spec(environment.action_space)


def make_action_spec(space: gymnasium.Space) -> specs.BoundedArray:
  """The spec of one environment's action.

  Args:
    space: Discrete, or a Box of floats.

  Returns:
    An int32 `DiscreteArray` that counts from 0, or a float32 `BoundedArray`
    whose bounds lie within those of the space after rounding; `_wrap` has
    made them -1 and 1 where they are finite.

  Raises:
    ValueError: another space.
  """
  if isinstance(space, gymnasium.spaces.Discrete):
    return specs.DiscreteArray(int(space.n), np.int32, name='action')
  if isinstance(space, gymnasium.spaces.Box) and np.issubdtype(
      space.dtype, np.floating):
    low, high = space.low.astype(np.float32), space.high.astype(np.float32)
    low = np.where(low < space.low, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > space.high, np.nextafter(high, np.float32(-np.inf)),
                    high)
    return specs.BoundedArray(
        space.shape, np.float32, minimum=low, maximum=high, name='action')
  raise ValueError(
      f'the action space is {space}, but must be Discrete or a Box of floats')


def _flat_space(space: gymnasium.Space) -> gymnasium.spaces.Box:
  """The Box of a frame: the space itself, or what it flattens to."""
  if not _has_axes(space):
    space = gymnasium.spaces.flatten_space(space)
  if not isinstance(space, gymnasium.spaces.Box):
    raise ValueError(f'the observation space is {space}, but must be a Box or '
                     'one that gymnasium flattens to a Box')
  return space


def _has_axes(space: gymnasium.Space) -> bool:
  return isinstance(space, gymnasium.spaces.Box) and bool(space.shape)


def _has_finite_bounds(space: gymnasium.Space) -> bool:
  """Of a Box of floats."""
  return (isinstance(space, gymnasium.spaces.Box) and
          np.issubdtype(space.dtype, np.floating) and
          bool(np.isfinite([space.low, space.high]).all()))


def _with_unit_actions(environment: gymnasium.Env) -> gymnasium.Env:
  """Actions from -1 to 1.

  Not gymnasium's RescaleAction: it computes in the space's own type, so that
  an action may leave the space by a rounding, and refuses a Box in which an
  element has one value only.
  """
  space: Any = environment.action_space
  return TransformAction(
      environment,
      lambda action: batching.from_unit(
          action, space.low, space.high).astype(space.dtype),
      gymnasium.spaces.Box(-1.0, 1.0, space.shape, np.float32))


def _wrap(environment: gymnasium.Env, num_frames_stacked: int,
          max_episode_steps: int) -> gymnasium.Env:
  """One environment with its limit, its actions and its stack of frames."""
  if max_episode_steps:
    environment = TimeLimit(environment, max_episode_steps)
  if _has_finite_bounds(environment.action_space):
    environment = _with_unit_actions(environment)
  space = environment.observation_space
  frame_space = _flat_space(space)
  dtype: Any = np.float32
  low, high = -np.inf, np.inf
  if not _has_axes(space):
    environment = FlattenObservation(environment)
  elif space.dtype == np.uint8:
    low, high, dtype = 0, 255, np.uint8
  elif space.dtype == np.bool_:
    low, high, dtype = 0, 1, np.bool_
  # A copy, because an environment may write into an array that it returned
  # while that waits in the stack; and bounds that hold zero, the padding.
  environment = TransformObservation(
      environment, lambda observation: np.array(observation, dtype),
      gymnasium.spaces.Box(low, high, frame_space.shape, dtype))
  if num_frames_stacked > 1:
    environment = FrameStackObservation(
        environment, num_frames_stacked, padding_type='zero')
  return environment
