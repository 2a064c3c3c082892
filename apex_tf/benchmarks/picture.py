"""Pictures of throughput against the number of actors."""

from typing import Dict, Sequence

from apex_tf import drawing
from apex_tf import files
from apex_tf.benchmarks import report
from apex_tf.benchmarks import rounds

# Samples by panel, line and number of actors.
Panels = Dict[str, Dict[str, Dict[int, rounds.Sample]]]


def pictures(rows: Sequence[report.Row]) -> Dict[str, Panels]:
  """What is to be drawn, by the names of the pictures."""
  found: Dict[str, Panels] = {}
  for row in rows:
    if row.point is not None:
      name, panel, line, count = row.point
      found.setdefault(name, {}).setdefault(panel, {}).setdefault(
          line, {})[count] = row.sample
  return found


def write(path: str, panels: Panels, title: str) -> None:
  """Writes a PNG, with 900 x 600 pixels for each panel, side by side.

  Each number of actors has a dot for every window, and the lines join their
  medians.

  Args:
    path: of the file.
    panels: of the picture; there is at least one.
    title: of the picture, such as the machine.

  Raises:
    OSError: it is not written.
  """
  figure = drawing.make_figure(6 * len(panels), 4, dpi=150)
  figure.suptitle(title, fontsize=9, color=drawing.INK)
  for axes, (name, lines) in zip(
      figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
    for color, (label, samples) in zip(drawing.COLORS, lines.items()):
      counts = sorted(samples)
      axes.plot(counts, [samples[count].median for count in counts],
                color=color, label=label)
      for count in counts:
        values = samples[count].values
        axes.plot([count] * len(values), values, 'o', color=color, alpha=0.5,
                  markersize=4)
    axes.set_xscale('log', base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel('actors', color=drawing.INK)
    axes.set_ylabel(name, color=drawing.INK)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if all(lines):
      axes.legend()
  files.replace_file(path, drawing.to_png(figure), files.MODE_OF_RESULTS)
