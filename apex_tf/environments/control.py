"""Tasks of the DeepMind control suite in the batched shape.

dm_control: Tunyasuvunakool et al. 2020, arXiv 2006.12983. It is imported when
a task is made, and not with this file.
"""

import importlib
from typing import Any, List, Optional, Tuple

from absl import logging
from acme import specs
import dm_env
import numpy as np

from apex_tf import config as config_lib
from apex_tf.environments import batching
from apex_tf.environments import opengl
from apex_tf.environments import refusals

# mujoco.mjMAXVAL: the bound that dm_control gives an actuator without one.
_UNBOUNDED = 1e10
# Small, because a machine without a GPU draws it on its processor.
_PICTURE_SHAPE = (240, 320)


class ControlEnvironment(batching.VectorEnvironment):
  """Tasks stepped one after the other in this process.

  Observations: a float32 vector, the entries of the task's own observation
  one after the other in the order of its `observation_spec`, each in C order;
  a scalar is one element. The frames of a stack that lie before the episode
  are zeros.

  Actions: float32 from -1 to 1, mapped to the task's bounds. A task with an
  actuator without bounds keeps its own, infinite ones.

  Limits of time are truncations; discounts are the task's. Physics that
  diverged is an environment that broke, as `base.BatchedEnvironment` has it.
  """

  def __init__(self,
               domain: str,
               task: str,
               num_environments: int,
               seed: int,
               num_frames_stacked: int = 1,
               max_episode_steps: int = 0):
    """Makes the tasks.

    Args:
      domain: of the suite, such as walker.
      task: of the domain, such as stand.
      num_environments: E.
      seed: environment i is made with the seed (seed + i) modulo 2^31, and
        continues its random sequence from one episode to the next.
      num_frames_stacked: frames in one observation.
      max_episode_steps: agent steps after which an episode is truncated, if
        the task's own limit does not come first; 0 for none.

    Raises:
      ImportError: dm_control is not installed.
      ValueError: an argument out of range.
    """
    super().__init__(seed, num_environments)
    self.name = f'{domain}:{task}'
    self._max_episode_steps = max_episode_steps or np.inf
    suite, self._physics_error = _import_dm_control()
    self._environments: List[Any] = [
        suite.load(domain, task, task_kwargs={'random': seed})
        for seed in self._seeds
    ]
    first = self._environments[0]
    self.render_fps = 1.0 / first.control_timestep()
    observation_spec = first.observation_spec()
    self._entries = list(observation_spec)
    num_features = sum(
        int(np.prod(spec.shape)) for spec in observation_spec.values())
    self._observation_spec = specs.Array(
        (num_frames_stacked, num_features), np.float32, name='observation')
    low, high = _bounds(first.action_spec())
    self._action_spec = batching.unit_action_spec(low.shape)
    self._task_bounds: Optional[Tuple[np.ndarray, np.ndarray]] = (low, high)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
      self._action_spec = specs.BoundedArray(
          low.shape, np.float32, low, high, name='action')
      self._task_bounds = None
    # Of each environment: its newest observation, never written to again; its
    # agent steps since FIRST; and whether the next step resets it.
    self._stacks = np.zeros(
        (num_environments, *self._observation_spec.shape), np.float32)
    self._episode_steps = np.zeros(num_environments, np.int64)
    self._ended = np.ones(num_environments, np.bool_)

  def _reset(self, seeds: Optional[List[int]]) -> np.ndarray:
    del seeds  # The tasks were made with them.
    return self._restart(np.ones(self.num_environments, np.bool_))

  def _restart(self, mask: np.ndarray) -> np.ndarray:
    frames = self._stacks[:, -1].copy()
    for index in np.flatnonzero(mask):
      frames[index] = self._reset_one(index)
    stacks = np.where(mask[:, np.newaxis, np.newaxis], 0, self._stacks)
    stacks[:, -1] = frames
    self._stacks = stacks
    self._ended = self._ended & ~mask
    return stacks

  def _end(self) -> dm_env.TimeStep:
    action = self._begun
    if self._task_bounds is not None:
      action = batching.from_unit(action, *self._task_bounds)
    is_first = self._ended
    frames = np.empty_like(self._stacks[:, -1])
    step_type = np.full(len(frames), dm_env.StepType.FIRST, np.int32)
    reward = np.zeros(len(frames), np.float32)
    discount = np.ones(len(frames), np.float32)
    for index in range(self.num_environments):
      if is_first[index]:
        frames[index] = self._reset_one(index)
      else:
        frames[index], step_type[index], reward[index], discount[index] = (
            self._step_one(index, action[index]))
    stacks = np.zeros_like(self._stacks)
    stacks[~is_first, :-1] = self._stacks[~is_first, 1:]
    stacks[:, -1] = frames
    self._stacks = stacks
    self._ended = step_type == dm_env.StepType.LAST
    return dm_env.TimeStep(step_type, reward, discount, stacks)

  def _reset_one(self, index: int) -> np.ndarray:
    """The first frame of an episode, `<float32>[features]`."""
    self._episode_steps[index] = 0
    try:
      return self._flatten(self._environments[index].reset().observation)
    except Exception as error:  # Diverged; or escape, without OpenGL.
      raise RuntimeError(
          f'{self.name}: environment {index} cannot begin an episode, because '
          f'{refusals.one_line(error)}') from error

  def _step_one(
      self, index: int,
      action: np.ndarray) -> Tuple[np.ndarray, dm_env.StepType, float, float]:
    """Frame, step type, reward and discount; all NaN where physics broke."""
    try:
      timestep = self._environments[index].step(action)
    except self._physics_error as error:
      self._causes[index] = refusals.one_line(error)
      frame = np.full(self._observation_spec.shape[1:], np.nan, np.float32)
      return frame, dm_env.StepType.MID, np.nan, 1.0
    self._episode_steps[index] += 1
    step_type = timestep.step_type
    if self._episode_steps[index] >= self._max_episode_steps:
      step_type = dm_env.StepType.LAST  # With the discount of its MID, 1.
    return (self._flatten(timestep.observation), step_type, timestep.reward,
            timestep.discount)

  def _flatten(self, observation: Any) -> np.ndarray:
    return np.concatenate(
        [np.ravel(observation[name]) for name in self._entries],
        dtype=np.float32, casting='same_kind')

  def observation_spec(self) -> specs.Array:
    """Of one environment: `<float32>[stack, features]`."""
    return self._observation_spec

  def action_spec(self) -> specs.BoundedArray:
    """Of one environment: `<float32>[actuators]`."""
    return self._action_spec

  def _draw(self) -> np.ndarray:
    """From the task's first camera, `<uint8>[240, 320, 3]`."""
    return self._environments[0].physics.render(*_PICTURE_SHAPE, camera_id=0)

  def close(self) -> None:
    """Frees the simulators and what they draw with."""
    for environment in self._environments:
      environment.physics.free()
    self._environments = []


def make(config: config_lib.EnvironmentConfig, num_environments: int,
         seed: int) -> ControlEnvironment:
  """A batch of a task.

  Args:
    config: of the suite control.
    num_environments: E.
    seed: see `ControlEnvironment`.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  domain, _, task = config.id.partition(':')
  if not domain or not task:
    raise refusals.task_error(
        config, 'domain:task of dm_control, such as walker:stand')
  try:
    suite, _ = _import_dm_control()
  except ImportError as error:
    raise refusals.not_installed_error('control', error) from error
  known = suite.TASKS_BY_DOMAIN
  if domain not in known:
    raise refusals.task_error(
        config, f'domain:task, with a domain of {", ".join(sorted(known))}'
        f'{refusals.hint(domain, list(known))}')
  if task not in known[domain]:
    tasks = sorted(f'{domain}:{name}' for name in known[domain])
    raise refusals.task_error(config, f'one of {", ".join(tasks)}'
                              f'{refusals.hint(config.id, tasks)}')
  return ControlEnvironment(
      domain, task, num_environments, seed, config.num_frames_stacked,
      config.max_episode_steps)


def _import_dm_control() -> Tuple[Any, Any]:
  """The suite, and the error of physics that diverged.

  Where the OpenGL that MUJOCO_GL asks for does not load (EGL without its
  library or without a device), dm_control does not import at all. Stepping
  needs no OpenGL, so it is imported without, and only `render` fails.

  Raises:
    ImportError: dm_control is not installed.
  """
  try:
    with opengl.use_default():
      suite = importlib.import_module('dm_control.suite')
  except Exception as error:  # What OpenGL's libraries raise is open.
    with opengl.use('off'):
      suite = importlib.import_module('dm_control.suite')
    logging.info('dm_control cannot render here: %s', error)
  rl_control = importlib.import_module('dm_control.rl.control')
  return suite, rl_control.PhysicsError


def _bounds(spec: Any) -> Tuple[np.ndarray, np.ndarray]:
  """Of a task's actions, `<float64>[actuators]` each; infinite where none."""
  low = np.broadcast_to(spec.minimum, spec.shape).astype(np.float64)
  high = np.broadcast_to(spec.maximum, spec.shape).astype(np.float64)
  return (np.where(low <= -_UNBOUNDED, -np.inf, low),
          np.where(high >= _UNBOUNDED, np.inf, high))
