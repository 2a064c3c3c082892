"""Pictures of several runs of one task together."""

from typing import Callable, Dict, List, Sequence

from matplotlib.axes import Axes
import numpy as np

from apex_tf import drawing
from apex_tf import formatting as fmt
from apex_tf.reports import evaluations as evaluations_lib
from apex_tf.reports import runs as runs_lib
from apex_tf.reports import section

_Place = Callable[[evaluations_lib.Point], float]
_CAPTION = (
    'Mean raw return of each evaluation, with one standard deviation of its '
    'episodes as a band.',)


def galleries(runs: Sequence[runs_lib.Run]) -> List[section.Gallery]:
  """Learning curves of each task that has several runs."""
  by_task: Dict[str, List[runs_lib.Run]] = {}
  for run in runs:
    by_task.setdefault(fmt.task_name(run.config), []).append(run)
  return [section.Gallery(task, pictures(together))
          for task, together in by_task.items() if len(together) > 1]


def pictures(runs: Sequence[runs_lib.Run]) -> List[section.Picture]:
  """Learning curves of runs of one task, against agent steps and minutes."""
  return [
      section.Picture(
          'Against agent steps', _CAPTION,
          lambda axes: _draw(axes, runs, lambda point: point.agent_steps,
                             'agent steps of all actors')),
      section.Picture(
          'Against minutes', _CAPTION,
          lambda axes: _draw(axes, runs, lambda point: point.minutes,
                             "minutes since the learner's start")),
  ]


def _draw(axes: Axes, runs: Sequence[runs_lib.Run], place: _Place,
          label: str) -> None:
  """Draws the curve of each run."""
  drawing.style(axes)
  for index, run in enumerate(runs):
    points = [p for p in run.evaluations if np.isfinite([p.mean, p.std]).all()]
    places = [place(point) for point in points]
    mean = np.array([point.mean for point in points])
    std = np.array([point.std for point in points])
    color = drawing.color(index)
    axes.plot(places, mean, drawing.line_style(index), color=color,
              linewidth=1.8, label=drawing.label(run.name),
              marker='o' if len(points) < 60 else '', markersize=3.5)
    axes.fill_between(places, mean - std, mean + std, color=color, alpha=0.12,
                      linewidth=0)
  axes.set_xlim(left=0)
  axes.xaxis.set_major_formatter(drawing.make_formatter())
  axes.set_xlabel(label, color=drawing.INK)
  axes.set_ylabel('raw return of an evaluation', color=drawing.INK)
  axes.legend(loc='best', fontsize=8, framealpha=0.8, edgecolor='none')
