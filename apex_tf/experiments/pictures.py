"""The picture of a study: curves, and how good each arm became."""

from typing import Sequence, Tuple

from matplotlib.axes import Axes
import numpy as np

from apex_tf import drawing
from apex_tf import formatting as fmt
from apex_tf.experiments import intervals
from apex_tf.experiments import outcomes

_DPI = 150
_GAMES_A_ROW = 4
_AGENT_STEPS = 'agent steps of all actors'
_EVALUATION_RETURN = 'raw return, mean of an evaluation'


def title(outcome: outcomes.Outcome) -> str:
  """What a study is of, in a line."""
  plan = outcome.plan
  task = (f'{fmt.task_name(plan.config)} · ' if plan.study.holds_rate else '')
  return f'{task}{fmt.agent_name(plan.config)} · {plan.study.title}'


def draw(outcome: outcomes.Outcome) -> bytes:
  """A PNG of a study's arms: mean and 95 % interval over seeds.

  On the left the return of evaluations against learner steps, on the right the
  return of the final policies, with a dot for each seed.

  Args:
    outcome: with at least one arm.
  """
  figure = drawing.make_figure(11, 4.6, _DPI)
  curves, finals = figure.subplots(1, 2, width_ratios=(3, 2))
  seeds = outcome.plan.num_seeds
  missing = (f' · not finished: {len(outcome.missing)} cells'
             if outcome.missing else '')
  figure.suptitle(
      f'{title(outcome)} · {seeds} seed{"s" * (seeds > 1)}{missing}',
      fontsize=12, fontweight='bold', color=drawing.INK)
  draw_curves(curves, outcome.arms)
  draw_finals(finals, outcome.arms)
  curves.set_title('mean over seeds, band: its 95 % interval, where it is in '
                   'the picture', fontsize=9,
                   color=drawing.INK)
  finals.set_title('mean, its 95 % interval, and each seed', fontsize=9,
                   color=drawing.INK)
  return drawing.to_png(figure)


def draw_games(outcome: outcomes.Outcome) -> bytes:
  """A PNG with a panel for each game: return against agent steps, by seed.

  Args:
    outcome: with at least one arm.
  """
  arms = outcome.arms
  columns = min(len(arms), _GAMES_A_ROW)
  rows = -(-len(arms) // columns)
  figure = drawing.make_figure(3.4 * columns, 0.6 + 2.6 * rows, _DPI)
  panels = figure.subplots(rows, columns, squeeze=False)
  for axes in panels.ravel()[len(arms):]:
    axes.set_visible(False)
  for axes, arm in zip(panels.ravel(), arms):
    draw_game(axes, arm)
    axes.set_title(arm.arm.label, fontsize=10, color=drawing.INK)
    axes.set(xlabel='', ylabel='')
  figure.supxlabel(_AGENT_STEPS, fontsize=9, color=drawing.INK)
  figure.supylabel(_EVALUATION_RETURN, fontsize=9, color=drawing.INK)
  return drawing.to_png(figure)


def draw_curves(axes: Axes, arms: Sequence[outcomes.ArmOutcome]) -> None:
  """Returns against learner steps: mean over seeds and its interval."""
  drawing.style(axes)
  for index, arm in enumerate(arms):
    steps, returns = arm.curve()
    if not steps.size:
      continue
    points = [intervals.interval(column) for column in returns.T]
    mean = np.array([point.mean for point in points])
    half = np.array([point.half_width for point in points])
    axes.plot(steps, mean, color=drawing.color(index), linewidth=1.8,
              linestyle=drawing.line_style(index), label=arm.arm.label)
    axes.fill_between(steps, mean - half, mean + half,
                      color=drawing.color(index), alpha=0.13, linewidth=0)
  axes.set_xlabel('learner steps', color=drawing.INK)
  axes.xaxis.set_major_formatter(drawing.make_formatter())
  axes.set_ylabel(_EVALUATION_RETURN, color=drawing.INK)
  axes.set_xlim(left=0)
  axes.set_ylim(*_limits(
      [value for arm in arms for value in arm.curve()[1].ravel()]))
  axes.legend(fontsize=8, framealpha=0.8, edgecolor='none')


def draw_finals(axes: Axes, arms: Sequence[outcomes.ArmOutcome]) -> None:
  """Returns of the final policies: mean, its interval, and each seed."""
  drawing.style(axes)
  draw_intervals(axes, arms, 'final_return_mean')
  axes.set_xlabel('raw return of the final policy', color=drawing.INK)


def draw_intervals(axes: Axes, arms: Sequence[outcomes.ArmOutcome],
                   name: str) -> None:
  """A column of the cells' rows: mean, its interval, and each seed."""
  for index, arm in enumerate(arms):
    values = arm.values(name)
    if not values:
      continue
    interval = intervals.interval(values)
    color = drawing.color(index)
    axes.errorbar([interval.mean], [index],
                  xerr=None if np.isnan(interval.half_width)
                  else [interval.half_width], fmt='o', color=color,
                  capsize=4, markersize=7, zorder=3)
    axes.plot(values, [index] * len(values), 'o', color=color, alpha=0.35,
              markersize=5, markeredgewidth=0, zorder=2)
  axes.set_yticks(range(len(arms)), [arm.arm.label for arm in arms],
                  fontsize=9)
  axes.set_ylim(len(arms) - 0.5, -0.5)


def draw_game(axes: Axes, arm: outcomes.ArmOutcome) -> None:
  """Returns in one game against agent steps, a line a seed."""
  drawing.style(axes)
  for index, cell in enumerate(arm.cells):
    axes.plot([e.agent_steps for e in cell.evaluations],
              [e.mean for e in cell.evaluations], color=drawing.color(index),
              linewidth=1.4, label=f'seed {cell.cell.seed}')
  axes.xaxis.set_major_formatter(drawing.make_formatter())
  axes.set_xlim(left=0)
  axes.set_xlabel(_AGENT_STEPS, color=drawing.INK)
  axes.set_ylabel(_EVALUATION_RETURN, color=drawing.INK)
  if len(arm.cells) > 1:
    axes.legend(fontsize=8, framealpha=0.8, edgecolor='none')


def _limits(values: Sequence[float]) -> Tuple[float, float]:
  """Shows all seeds' values, and of intervals what is near them: those of few
  seeds may be far wider than all values."""
  if not values:
    return 0.0, 1.0
  margin = 0.15 * (max(values) - min(values) or 1.0)
  return min(values) - margin, max(values) + margin
