"""Films of an episode, written frame by frame while it is played.

ffmpeg, which imageio-ffmpeg brings along, writes both formats: imageio's own
writer of GIF either keeps all frames in memory or, with the Pillow of today,
writes files that cannot be read.
"""

import importlib.util
import math
import os
import sys
import tempfile
from typing import Any, Callable, Generator, Optional

from acme import specs
import dm_env
import numpy as np

from apex_tf.environments import base

SUFFIXES = ('.mp4', '.gif')

# A GIF is to stay small: wide, and frames per second, at most.
_GIF_WIDTH = 320
_GIF_FRAMES_PER_SECOND = 15.0

# H.264 with yuv420p, which any player plays, wants even sizes.
_EVEN_SIZE = 'pad=ceil(iw/2)*2:ceil(ih/2)*2'
# A palette for each frame, so that none needs to wait for the others.
_SMALL_WITH_PALETTE = (
    f"scale='min({_GIF_WIDTH},iw)':-1:flags=area,split[frame][colors];"
    '[colors]palettegen=stats_mode=single[palette];'
    '[frame][palette]paletteuse=new=1')

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
  if not path.lower().endswith(SUFFIXES):
    raise _error(path, f'a path that ends in {" or ".join(SUFFIXES)}')
  if importlib.util.find_spec('imageio_ffmpeg') is None:
    raise _error(path, 'not be given unless imageio is installed: '
                 'pip install apex_tf[video]')
  import imageio_ffmpeg
  try:
    imageio_ffmpeg.get_ffmpeg_exe()
  except RuntimeError as error:  # A platform whose package has no ffmpeg.
    raise _error(path, f'not be given unless ffmpeg is installed ({error})'
                ) from error
  folder = os.path.dirname(_resolve(path))
  if os.path.isdir(_resolve(path)):
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


class FilmError(Exception):
  """A film that could not be written."""


class Film:
  """A film file, which is there once it is finished and not before."""

  def __init__(self, path: str, frames_per_second: float):
    """Makes a temporary file beside it.

    Args:
      path: ends in one of `SUFFIXES`.
      frames_per_second: at which frames are added. A GIF shows every second
        one, or every third and so on, where these are more than 15.

    Raises:
      FilmError: the folder cannot be written.
    """
    self.path = _resolve(path)
    folder, name = os.path.split(self.path)
    suffix = os.path.splitext(name)[1].lower()
    self._is_gif = suffix == '.gif'
    self._keep_every = (math.ceil(frames_per_second / _GIF_FRAMES_PER_SECOND)
                        if self._is_gif else 1)
    self._frames_per_second = float(frames_per_second) / self._keep_every
    self._num_added = 0
    self._num_written = 0
    self._writer: Optional[Generator[None, Any, None]] = None
    try:
      descriptor, self._temporary = tempfile.mkstemp(
          dir=folder, prefix=f'.{name}.', suffix=suffix)
    except OSError as error:
      raise self._error(str(error)) from error
    os.close(descriptor)

  def add(self, frame: np.ndarray) -> None:
    """Adds a frame.

    Args:
      frame: `<uint8>[height, width, 3]`, all of one size.

    Raises:
      FilmError: it could not be written; the film is to be discarded.
    """
    self._num_added += 1
    if (self._num_added - 1) % self._keep_every:
      return
    if self._writer is None:
      self._writer = self._start(frame.shape[1], frame.shape[0])
    try:
      self._writer.send(np.ascontiguousarray(frame))
    except OSError as error:
      raise self._error(str(error).splitlines()[0]) from error
    self._num_written += 1

  def finish(self) -> None:
    """Closes the file and puts it where it belongs.

    Raises:
      FilmError: it could not be written; the film is to be discarded.
    """
    import imageio_ffmpeg
    if self._writer is not None:
      self._writer.close()
      self._writer = None
    # What ffmpeg could not write at its end, it tells nobody.
    try:
      count, _ = imageio_ffmpeg.count_frames_and_secs(self._temporary)
    except RuntimeError:
      count = 0
    if count != self._num_written:
      raise self._error(
          f'{count} frames of {self._num_written} are in it')
    os.replace(self._temporary, self.path)

  def discard(self) -> None:
    """Leaves nothing; does nothing once finished."""
    if self._writer is not None:
      self._writer.close()
      self._writer = None
    if os.path.exists(self._temporary):
      os.unlink(self._temporary)

  def _error(self, reason: str) -> FilmError:
    return FilmError(f'the film {self.path} could not be written: {reason}')

  def _start(self, width: int, height: int) -> Generator[None, Any, None]:
    """ffmpeg, waiting for frames."""
    import imageio_ffmpeg
    options = (
        dict(codec='gif', pix_fmt_out='pal8', quality=None,
             output_params=['-vf', _SMALL_WITH_PALETTE])
        if self._is_gif else dict(
            codec='libx264', pix_fmt_out='yuv420p',
            output_params=['-vf', _EVEN_SIZE]))
    writer = imageio_ffmpeg.write_frames(
        self._temporary, (width, height), fps=self._frames_per_second,
        macro_block_size=1, ffmpeg_log_level='error', **options)
    writer.send(None)
    return writer


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
    self.frames_per_second = environment.frames_per_second
    self._first: Optional[dm_env.TimeStep] = environment.reset()
    frame = environment.render()
    self.path = _resolve(path)
    self._film: Optional[Film] = None
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
    self._film = Film(self.path, self.frames_per_second)
    try:
      self._film.add(frame)
    except FilmError:
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


def _resolve(path: str) -> str:
  return os.path.abspath(os.path.expanduser(path))
