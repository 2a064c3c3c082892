"""The picture of a run: evaluator return against agent steps and minutes."""

import math
from typing import List, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from apex_tf import config as config_lib
from apex_tf import drawing
from apex_tf import files
from apex_tf import formatting as fmt
from apex_tf.monitoring import status as status_lib

_LINE = '#1f5fa8'
_DOTS = '#6b9bd1'
_TARGET = '#b3541e'
_FINAL = '#d9480f'


def write_learning_curve(path: str, status: status_lib.RunStatus,
                         config: config_lib.Config) -> None:
  """Writes a PNG of 1500 x 660 pixels, whole or, logged, not at all.

  Both panels, side by side, under the name of the run.

  Args:
    path: of the file.
    status: of the run; it may have no evaluation yet.
    config: of the run.
  """
  figure = drawing.make_figure(10, 4.4, dpi=150)
  by_steps, by_time = figure.subplots(1, 2, sharey=True)
  figure.suptitle(fmt.run_title(config), fontsize=13, fontweight='bold',
                  color=drawing.INK)
  draw_by_agent_steps(by_steps, status, config)
  draw_by_minutes(by_time, status, config)
  by_time.set_ylabel('')
  final = next((e for e in reversed(_finite(status)) if e.final), None)
  if final is not None:
    by_steps.set_title(_final_text(final), fontsize=10, color=_FINAL)
  by_time.set_title(
      f'{fmt.count(status.learner_steps)} learner steps, '
      f'{fmt.count(status.agent_steps)} agent steps in '
      f'{fmt.duration(status.wall_seconds)}', fontsize=10, color=drawing.INK)
  picture = drawing.to_png(figure)
  files.attempt(path, lambda: files.replace_file(path, picture))


def draw_by_agent_steps(axes: Axes, status: status_lib.RunStatus,
                        config: config_lib.Config) -> None:
  """Draws evaluations against the agent steps of all actors, with a legend.

  The mean of each evaluation is a line, one standard deviation a band, each
  episode a dot, the target a dashed line and the final evaluation a star. An
  evaluation without an episode is left out.

  Args:
    axes: empty.
    status: of the run; it may have no evaluation yet.
    config: of the run.
  """
  evaluations = _finite(status)
  _draw(axes, [e.agent_steps for e in evaluations],
        max(10, status.agent_steps), evaluations, config)
  axes.set_xlabel('agent steps of all actors', color=drawing.INK)
  axes.xaxis.set_major_formatter(EngFormatter(sep=''))
  if evaluations:
    legend = axes.legend(loc='best', fontsize=8, framealpha=0.8,
                         edgecolor='none')
    dots = legend.legend_handles[0]
    if dots is not None:
      dots.set(alpha=0.6, sizes=[10])


def draw_by_minutes(axes: Axes, status: status_lib.RunStatus,
                    config: config_lib.Config) -> None:
  """Draws the same against time, without a legend."""
  evaluations = _finite(status)
  _draw(axes, [e.wall_seconds / 60 for e in evaluations],
        max(0.1, status.wall_seconds / 60), evaluations, config)
  axes.set_xlabel("minutes since the learner's start", color=drawing.INK)


def _finite(status: status_lib.RunStatus) -> List[status_lib.Evaluation]:
  """The evaluations that can be drawn."""
  return [e for e in status.evaluations if math.isfinite(e.mean)]


def _draw(axes: Axes, places: Sequence[float], end: float,
          evaluations: Sequence[status_lib.Evaluation],
          config: config_lib.Config) -> None:
  """Draws one panel.

  Args:
    axes: of the panel.
    places: of the evaluations on the horizontal axis.
    end: of the run on the same axis.
    evaluations: of finite means.
    config: of the run.
  """
  drawing.style(axes)
  axes.set_ylabel('raw return of an evaluation episode', color=drawing.INK)
  target = config.run.target_return
  if not evaluations:
    drawing.say(axes, 'no evaluation yet')
    return
  many = len(evaluations) > 100
  _draw_episodes(axes, places, evaluations, many)
  mean = [e.mean for e in evaluations]
  if len(evaluations) == 1:
    axes.errorbar(places, mean, yerr=[evaluations[0].std], color=_LINE,
                  capsize=4, zorder=3)
  else:
    axes.fill_between(places, [e.mean - e.std for e in evaluations],
                      [e.mean + e.std for e in evaluations], color=_LINE,
                      alpha=0.15, linewidth=0, label='± one std')
  axes.plot(places, mean, color=_LINE, linewidth=2,
            marker='' if many else 'o', markersize=4, label='mean', zorder=3)
  if math.isfinite(target):
    axes.axhline(target, color=_TARGET, linestyle='--', linewidth=1.2,
                 label=f'target {fmt.target(target)}', zorder=2)
  for place, evaluation in zip(places, evaluations):
    if evaluation.final:
      axes.plot([place], [evaluation.mean], marker='*', markersize=15,
                color=_FINAL, markeredgecolor='white', linestyle='none',
                clip_on=False, label='final policy', zorder=4)
  # The whole run, with room for the last marker.
  axes.set_xlim(0, 1.03 * max(end, *places))


def _draw_episodes(axes: Axes, places: Sequence[float],
                   evaluations: Sequence[status_lib.Evaluation],
                   many: bool) -> None:
  """Draws a dot for each finite return."""
  across: List[float] = []
  up: List[float] = []
  for place, evaluation in zip(places, evaluations):
    for value in evaluation.returns:
      if math.isfinite(value):
        across.append(place)
        up.append(value)
  axes.scatter(across, up, s=4 if many else 10, color=_DOTS,
               alpha=0.2 if many else 0.45, linewidths=0, label='episodes',
               zorder=1)


def _final_text(final: status_lib.Evaluation) -> str:
  human = fmt.percent(final.human_normalized)
  return (f'final {fmt.mean_and_std(final.mean, final.std)} over '
          f'{len(final.returns)} episodes' + (f', {human}' if human else ''))
