"""Films, written frame by frame to a file.

ffmpeg, which imageio-ffmpeg brings along, writes both formats: imageio's own
writer of GIF either keeps all frames in memory or, with the Pillow of today,
writes files that cannot be read.
"""

import math
import os
from typing import Any, Generator, Optional

import numpy as np

from apex_tf import files

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


def resolve(path: str) -> str:
  """The absolute path that a path stands for, which may begin with ~."""
  return os.path.abspath(os.path.expanduser(path))


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
    self.path = resolve(path)
    folder, name = os.path.split(self.path)
    suffix = os.path.splitext(name)[1].lower()
    self._is_gif = suffix == '.gif'
    self._keep_every = (math.ceil(frames_per_second / _GIF_FRAMES_PER_SECOND)
                        if self._is_gif else 1)
    self._frames_per_second = float(frames_per_second) / self._keep_every
    self._num_added = 0
    self._num_written = 0
    self._writer: Optional[Generator[None, Any, None]] = None
    self._temporary = os.path.join(folder, f'.{os.getpid()}.{name}')
    try:
      os.close(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                       files.MODE_OF_RESULTS))
    except OSError as error:
      raise self._error(str(error)) from error

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
