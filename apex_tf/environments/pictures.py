"""Pictures of environments for people."""

from typing import Any

import numpy as np

# Smaller ones, such as MinAtar's 10 x 10, are enlarged to at least this.
MINIMUM_HEIGHT = 160


def to_picture(image: Any) -> np.ndarray:
  """An image of any usual kind as one that can be shown.

  Args:
    image: `[height, width]` grey, or `[height, width, 3]`; uint8, or floats
      from 0 to 1.

  Returns:
    `<uint8>[height, width, 3]`, a new array; each pixel of a small image has
    become a square of several.

  Raises:
    ValueError: not an image.
  """
  pixels = np.asarray(image)
  if np.issubdtype(pixels.dtype, np.floating):
    pixels = np.rint(255 * pixels)
  if pixels.ndim == 2:
    pixels = np.repeat(pixels[..., np.newaxis], 3, axis=-1)
  if pixels.ndim != 3 or pixels.shape[-1] != 3 or not pixels.size:
    raise ValueError(
        f'the picture is {pixels.dtype} of shape {list(pixels.shape)}, but '
        'must be of shape [height, width] or [height, width, 3]')
  factor = -(-MINIMUM_HEIGHT // pixels.shape[0])
  pixels = pixels.astype(np.uint8)
  return pixels.repeat(factor, axis=0).repeat(factor, axis=1)
