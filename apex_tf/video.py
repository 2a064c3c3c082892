"""Filming the first episode of an environment while it is played."""

import importlib.util
import os
import sys
from typing import Callable, Optional

from acme import specs
import dm_env
import numpy as np

from apex_tf import film as film_lib
from apex_tf.environments import base

_MUJOCO_HINT = (
    'MuJoCo draws with EGL, by the packages libegl1 and libgl1-mesa-dri, or '
    'libosmesa6 together with MUJOCO_GL=osmesa')


def check(path: str) -> None:
  """Checks that a film can be written; touches nothing.

  Args:
    path: of the film.

  Raises:
    ValueError: names `video`, its value and what is allowed.
  """
  if not path.lower().endswith(film_lib.SUFFIXES):
    raise _error(path, f'a path that ends in {" or ".join(film_lib.SUFFIXES)}')
  if importlib.util.find_spec('imageio_ffmpeg') is None:
    raise _error(path, 'not be given unless imageio is installed: '
                 'pip install apex_tf[video]')
  import imageio_ffmpeg
  try:
    imageio_ffmpeg.get_ffmpeg_exe()
  except RuntimeError as error:  # A platform whose package has no ffmpeg.
    raise _error(path, f'not be given unless ffmpeg is installed ({error})'
                ) from error
  folder = os.path.dirname(film_lib.resolve(path))
  if os.path.isdir(film_lib.resolve(path)):
    raise _error(path, 'the path of a file, not of a directory')
  if not os.path.isdir(folder):
    raise _error(path, f'in a directory that exists, but {folder} does not')
  if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
    raise _error(path, f'in a directory that may be written, but {folder} may '
                 'not')


def prepare_rendering() -> None:
  """Has pygame do without a screen where there is none.

  To be called before it is imported; what the user has chosen counts. MuJoCo is
  seen to by its environments.
  """
  if not os.environ.get('DISPLAY'):
    os.environ.setdefault('SDL_VIDEODRIVER', 'dummy')


class RecordedEnvironment(base.BatchedEnvironment):
  """A batch that films the first episode of its first environment.

  The film is there with the last frame of that episode; closing the environment
  before it leaves none. An episode that the simulator broke off is no episode:
  the film begins anew.
  """

  def __init__(self, environment: base.BatchedEnvironment, path: str):
    """Resets the environment and films its first frame.

    So it shows at once whether there is anything to be seen; `reset` returns
    what this reset gave.

    Args:
      environment: made to be rendered, and not reset yet.
      path: of the film.

    Raises:
      ValueError: the environment cannot be rendered.
      FilmError: the film could not be written.
    """
    self._environment = environment
    self.name = environment.name
    self.frames_per_agent_step = environment.frames_per_agent_step
    self.render_fps = environment.render_fps
    self._first: Optional[dm_env.TimeStep] = environment.reset()
    frame = environment.render()
    self.path = film_lib.resolve(path)
    self._film: Optional[film_lib.Film] = None
    self._begin(frame)

  @property
  def num_environments(self) -> int:
    return self._environment.num_environments

  @property
  def num_broken_episodes(self) -> int:
    return self._environment.num_broken_episodes

  def reset(self) -> dm_env.TimeStep:
    """As of the environment; a second reset, before its end, ends the film."""
    first, self._first = self._first, None
    if first is not None:
      return first
    self._discard()
    return self._environment.reset()

  def step(self, action: np.ndarray) -> dm_env.TimeStep:
    """As of the environment.

    Raises:
      FilmError: the film could not be written.
    """
    timestep = self._environment.step(action)
    if self._film is None:
      return timestep
    frame = self._environment.render()
    if timestep.step_type[0] == dm_env.StepType.FIRST:
      self._discard()
      self._begin(frame)
    else:
      self._film.add(frame)
    if timestep.step_type[0] == dm_env.StepType.LAST:
      self._film.finish()
      self._film = None
    return timestep

  def observation_spec(self) -> specs.Array:
    return self._environment.observation_spec()

  def action_spec(self) -> specs.BoundedArray:
    return self._environment.action_spec()

  def render(self) -> np.ndarray:
    """As of the environment."""
    return self._environment.render()

  def close(self) -> None:
    """Closes the environment; discards a film that has no end."""
    self._discard()
    self._environment.close()

  def _begin(self, frame: np.ndarray) -> None:
    self._film = film_lib.Film(self.path, self.render_fps)
    try:
      self._film.add(frame)
    except BaseException:  # Ctrl-C among them: half a film is not left.
      self._discard()
      raise

  def _discard(self) -> None:
    if self._film is not None:
      self._film.discard()
      self._film = None


def record(make: Callable[[], base.BatchedEnvironment],
           path: str) -> RecordedEnvironment:
  """Makes environments that are filmed.

  Args:
    make: returns environments that render.
    path: of the film, checked.

  Raises:
    ValueError: in one line, why nothing can be rendered here.
    FilmError: the film could not be written.
  """
  try:
    environment = make()
  except Exception as error:  # pylint: disable=broad-except
    # They can be made without rendering; what its libraries raise is open.
    raise _cannot_render(path, error) from error
  try:
    return RecordedEnvironment(environment, path)
  except BaseException as error:
    environment.close()
    if isinstance(error, ValueError):
      raise _cannot_render(path, error) from error
    raise


def _cannot_render(path: str, error: Exception) -> ValueError:
  reason = ' '.join(str(error).split())
  if 'pygame' in reason:
    reason += ' (pip install apex_tf[video])'
  elif 'mujoco' in sys.modules:
    reason += f' ({_MUJOCO_HINT})'
  return _error(path, f'not be given here: {reason}')


def _error(path: str, allowed: str) -> ValueError:
  must = 'must ' if allowed.startswith('not be') else 'must be '
  return ValueError(f'video is {path!r}, but {must}{allowed}')
