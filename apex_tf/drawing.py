"""How all pictures look, and how they become pixels."""

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from matplotlib.ticker import FuncFormatter
from matplotlib.ticker import MaxNLocator
import numpy as np

INK = '#333333'
FAINT = '#777777'
# One after the other, for what has no colour of its own.
COLORS = ('#1f5fa8', '#c0561f', '#2a8c6c', '#8a4fa3', '#b8860b', '#5a6b7b',
          '#c23b6b', '#4aa3c7', '#7a8b2f', '#7b4b2a')
# Of those that have a colour in common.
_LINE_STYLES = ('-', '--', ':', '-.')
_GRID = '#e6e6e6'


def color(index: int) -> str:
  """Of the line of that number."""
  return COLORS[index % len(COLORS)]


def line_style(index: int) -> str:
  """Of the same line: another where the colours begin again."""
  return _LINE_STYLES[index // len(COLORS) % len(_LINE_STYLES)]


def label(text: str) -> str:
  """A label that matplotlib takes as it is: it would read dollars as
  mathematics, and leave out of a legend what begins with an underscore."""
  escaped = text.replace('$', r'\$')
  return f' {escaped}' if escaped.startswith('_') else escaped


def make_figure(width: float, height: float, dpi: int,
                is_fitted: bool = True) -> Figure:
  """An empty figure, without a window.

  Args:
    width: in inches.
    height: in inches.
    dpi: pixels of an inch.
    is_fitted: whether all labels will have the room that they need, which
      takes as long as drawing them.
  """
  figure = Figure(figsize=(width, height), dpi=dpi,
                  layout='constrained' if is_fitted else None)
  FigureCanvasAgg(figure)
  return figure


def to_png(figure: Figure) -> bytes:
  """The content of a PNG file."""
  picture = io.BytesIO()
  figure.savefig(picture, format='png')
  return picture.getvalue()


def to_pixels(figure: Figure) -> np.ndarray:
  """`<uint8>[height, width, 3]`."""
  canvas = FigureCanvasAgg(figure)
  canvas.draw()
  return np.asarray(canvas.buffer_rgba())[:, :, :3]


def style(axes: Axes) -> None:
  """Makes axes quiet: a faint grid, and no frame."""
  axes.grid(True, color=_GRID, linewidth=0.8)
  axes.set_axisbelow(True)
  axes.spines[['top', 'right']].set_visible(False)
  axes.tick_params(colors=INK)
  axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))


def make_formatter() -> FuncFormatter:
  """Of an axis of any numbers: "0.25", "8", "300k"."""
  thousands = EngFormatter(sep='')
  return FuncFormatter(lambda value, unused_index: (
      thousands(value) if abs(value) >= 1000 else f'{value:g}'))


def say(axes: Axes, text: str) -> None:
  """Writes why there is nothing to see into axes that stay empty."""
  axes.set(xticks=[], yticks=[])
  axes.text(0.5, 0.5, text, ha='center', va='center', color=FAINT, fontsize=12,
            transform=axes.transAxes)
