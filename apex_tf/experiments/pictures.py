"""The picture of a study: curves, and how good each arm became."""

import io
from typing import Sequence, Tuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
import numpy as np

from apex_tf import formatting as fmt
from apex_tf.experiments import outcomes
from apex_tf.experiments import statistics

_INK = '#333333'
# Of Okabe and Ito, which readers of any kind of sight tell apart.
_COLORS = ('#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9',
           '#000000', '#b2a800')
_LINES = ('-', '--', ':', '-.')
_GAMES_A_ROW = 4


def draw(outcome: outcomes.Outcome) -> bytes:
  """A PNG of a study's arms: mean and 95 % interval over seeds.

  On the left the return of evaluations against learner steps, on the right the
  return of the final policies, with a dot for each seed.

  Args:
    outcome: with at least one arm.
  """
  figure = Figure(figsize=(11, 4.6), dpi=150, layout='constrained')
  FigureCanvasAgg(figure)
  curves, finals = figure.subplots(1, 2, width_ratios=(3, 2))
  plan = outcome.plan
  missing = (f'; {len(outcome.missing)} cells are missing'
             if outcome.missing else '')
  figure.suptitle(
      f'{fmt.task_name(plan.config)} · {fmt.agent_name(plan.config)} · '
      f'{plan.study.title} · {plan.num_seeds} '
      f'seed{"s" * (plan.num_seeds > 1)}{missing}',
      fontsize=12, fontweight='bold', color=_INK)
  _prepare(curves)
  _prepare(finals)
  _draw_curves(curves, outcome.arms)
  _draw_finals(finals, outcome.arms)
  return _png(figure)


def _png(figure: Figure) -> bytes:
  picture = io.BytesIO()
  figure.savefig(picture, format='png')
  return picture.getvalue()


def _prepare(axes: Axes) -> None:
  axes.grid(True, color='#e6e6e6', linewidth=0.8)
  axes.set_axisbelow(True)
  axes.spines[['top', 'right']].set_visible(False)
  axes.tick_params(colors=_INK)


def _color(index: int) -> str:
  return _COLORS[index % len(_COLORS)]


def _draw_curves(axes: Axes, arms: Sequence[outcomes.ArmOutcome]) -> None:
  for index, arm in enumerate(arms):
    places, returns = arm.curve()
    if not places.size:
      continue
    intervals = [statistics.interval(column) for column in returns.T]
    mean = np.array([interval.mean for interval in intervals])
    half = np.array([interval.half_width for interval in intervals])
    axes.plot(places, mean, color=_color(index), linewidth=1.8,
              linestyle=_LINES[index // len(_COLORS) % len(_LINES)],
              label=arm.arm.label)
    axes.fill_between(places, mean - half, mean + half, color=_color(index),
                      alpha=0.13, linewidth=0)
  axes.set_xlabel('learner steps', color=_INK)
  axes.xaxis.set_major_formatter(EngFormatter(sep=''))
  axes.set_ylabel('raw return of an evaluation, mean of its episodes',
                  color=_INK)
  axes.set_title('mean over seeds, band: its 95 % interval', fontsize=9,
                 color=_INK)
  axes.set_xlim(left=0)
  axes.set_ylim(*_limits(
      [value for arm in arms for value in arm.curve()[1].ravel()], margin=0.15))
  axes.legend(fontsize=8, framealpha=0.8, edgecolor='none')


def _limits(values: Sequence[float], margin: float) -> Tuple[float, float]:
  """Shows all seeds' returns, and of intervals what is near them: those of
  few seeds may be far wider than all returns.

  Args:
    values: the returns.
    margin: on either side, as a share of their range.
  """
  if not values:
    return 0.0, 1.0
  size = max(values) - min(values) or 1.0
  return min(values) - margin * size, max(values) + margin * size


def _draw_finals(axes: Axes, arms: Sequence[outcomes.ArmOutcome]) -> None:
  for index, arm in enumerate(arms):
    values = [value for cell in arm.cells
              if (value := cell.summary['final_return_mean']) is not None]
    if not values:
      continue
    interval = statistics.interval(values)
    axes.errorbar([interval.mean], [index],
                  xerr=None if np.isnan(interval.half_width)
                  else [interval.half_width], fmt='o', color=_color(index),
                  capsize=4, markersize=7, zorder=3)
    axes.plot(values, [index] * len(values), 'o', color=_color(index),
              alpha=0.35, markersize=5, markeredgewidth=0, zorder=2)
  axes.set_xlim(*_limits([
      cell.summary['final_return_mean'] for arm in arms for cell in arm.cells
      if cell.summary['final_return_mean'] is not None], margin=0.6))
  axes.set_yticks(range(len(arms)), [arm.arm.label for arm in arms],
                  fontsize=9)
  axes.set_ylim(len(arms) - 0.5, -0.5)
  axes.set_xlabel('raw return of the final policy', color=_INK)
  axes.set_title('mean, its 95 % interval, and each seed', fontsize=9,
                 color=_INK)


def draw_games(outcome: outcomes.Outcome) -> bytes:
  """A PNG with a panel for each game: return against agent steps, by seed.

  Args:
    outcome: with at least one arm.
  """
  arms = outcome.arms
  columns = min(len(arms), _GAMES_A_ROW)
  rows = -(-len(arms) // columns)
  figure = Figure(figsize=(3.4 * columns, 0.6 + 2.6 * rows), dpi=150,
                  layout='constrained')
  FigureCanvasAgg(figure)
  panels = figure.subplots(rows, columns, squeeze=False)
  for axes in panels.ravel()[len(arms):]:
    axes.set_visible(False)
  for axes, arm in zip(panels.ravel(), arms):
    _prepare(axes)
    axes.set_title(arm.arm.label, fontsize=10, color=_INK)
    for index, cell in enumerate(arm.cells):
      axes.plot([e.agent_steps for e in cell.evaluations],
                [e.mean for e in cell.evaluations], color=_color(index),
                linewidth=1.4, label=f'seed {cell.cell.seed}')
    axes.xaxis.set_major_formatter(EngFormatter(sep=''))
    axes.set_xlim(left=0)
  figure.supxlabel('agent steps of all actors', fontsize=9, color=_INK)
  figure.supylabel('raw return of an evaluation, mean of its episodes',
                   fontsize=9, color=_INK)
  if outcome.plan.num_seeds > 1:
    panels[0, 0].legend(fontsize=8, framealpha=0.8, edgecolor='none')
  return _png(figure)
