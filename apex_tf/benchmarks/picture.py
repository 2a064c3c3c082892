"""The picture of throughput against the number of actors."""

import io
from typing import Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from apex_tf import files
from apex_tf.benchmarks import rounds

_LINE = '#1f5fa8'
_INK = '#333333'


def write_actor_counts(path: str, rates: Mapping[int, rounds.Sample],
                       title: str) -> None:
  """Writes a PNG of 900 x 600 pixels.

  Each number of actors has a dot for every window, and the line joins their
  medians.

  Args:
    path: of the file.
    rates: transitions/s of all actors, by their number; there is at least one.
    title: of the picture, such as the machine.

  Raises:
    OSError: it is not written.
  """
  figure = Figure(figsize=(6, 4), dpi=150, layout='constrained')
  FigureCanvasAgg(figure)
  axes = figure.subplots()
  axes.set_title(title, fontsize=9, color=_INK)
  counts = sorted(rates)
  axes.plot(counts, [rates[count].median for count in counts], color=_LINE)
  for count in counts:
    values = rates[count].values
    axes.plot([count] * len(values), values, 'o', color=_LINE, alpha=0.5,
              markersize=4)
  axes.set_xscale('log', base=2)
  axes.set_xticks(counts, [str(count) for count in counts])
  axes.set_xlabel('actors', color=_INK)
  axes.set_ylabel('transitions/s of all actors', color=_INK)
  axes.set_ylim(bottom=0)
  axes.grid(alpha=0.3)
  picture = io.BytesIO()
  figure.savefig(picture, format='png')
  files.replace_file(path, picture.getvalue())
