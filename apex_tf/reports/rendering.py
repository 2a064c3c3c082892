"""Pictures as pixels: each alone, and all on one sheet."""

import io
from typing import Dict, List, Sequence, Tuple

import numpy as np
from PIL import Image

from apex_tf import drawing
from apex_tf.reports import section

# Inches, and pixels of an inch: a page may be enlarged, and printed.
_WIDTH, _HEIGHT = 5.0, 3.4
_EDGES = {'left': 0.16, 'right': 0.97, 'bottom': 0.15, 'top': 0.91}
_DPI = 160
# Of the sheet, which has many.
_SHEET_DPI = 100
_COLUMNS = 3
_HEADING_HEIGHT = 0.5
_WHITE = 255


class Renderer:
  """Draws each picture once, for all who ask for it."""

  def __init__(self) -> None:
    # By identity; the picture is kept, so that no other gets its identity.
    self._drawn: Dict[int, Tuple[section.Picture, bytes]] = {}

  def picture(self, picture: section.Picture) -> bytes:
    """One picture as a PNG of 800 x 544 pixels."""
    if id(picture) not in self._drawn:
      self._drawn[id(picture)] = picture, _draw(picture)
    return self._drawn[id(picture)][1]

  def sheet(self, sections: Sequence[section.Section]) -> bytes:
    """All pictures of all sections on one PNG, 1500 pixels wide."""
    strips: List[np.ndarray] = []
    for each in sections:
      strips.append(_heading(
          ' · '.join(filter(None, (each.title, each.name))), 15))
      for gallery in each.galleries:
        strips.append(_heading(gallery.title, 11))
        strips += [
            _side_by_side([
                _small(self.picture(picture))
                for picture in gallery.pictures[begin:begin + _COLUMNS]])
            for begin in range(0, len(gallery.pictures), _COLUMNS)]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(strips)).save(file, format='png')
    return file.getvalue()


def _draw(picture: section.Picture) -> bytes:
  figure = drawing.make_figure(_WIDTH, _HEIGHT, _DPI, is_fitted=False)
  # The same for all, so that their axes are in line.
  figure.subplots_adjust(**_EDGES)
  axes = figure.subplots()
  axes.set_title(picture.title, fontsize=11, fontweight='bold',
                 color=drawing.INK, loc='left')
  picture.draw(axes)
  return drawing.to_png(figure)


def _small(png: bytes) -> np.ndarray:
  """A picture as it is on the sheet."""
  with Image.open(io.BytesIO(png)) as image:
    return np.asarray(image.convert('RGB').resize(
        (round(_WIDTH * _SHEET_DPI), round(_HEIGHT * _SHEET_DPI)),
        Image.Resampling.LANCZOS))


def _heading(text: str, size: int) -> np.ndarray:
  """A strip as wide as the sheet."""
  figure = drawing.make_figure(
      _COLUMNS * _WIDTH, _HEADING_HEIGHT, _SHEET_DPI, is_fitted=False)
  # A name may have dollars, which are not mathematics.
  figure.text(0.01, 0.4, text, fontsize=size, fontweight='bold',
              color=drawing.INK, va='center', parse_math=False)
  return drawing.to_pixels(figure)


def _side_by_side(pixels: Sequence[np.ndarray]) -> np.ndarray:
  """A strip as wide as the sheet, with room where there are too few."""
  height, width, depth = pixels[0].shape
  missing = (_COLUMNS - len(pixels)) * width
  room = np.full((height, missing, depth), _WHITE, np.uint8)
  return np.concatenate([*pixels, room], axis=1)
