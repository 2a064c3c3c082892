"""Pictures of metrics over the minutes of a run.

`GALLERIES` says which metrics are drawn together; their units and what they
mean come from the table of metrics.
"""

from typing import Dict, List, NamedTuple, Sequence, Tuple

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from matplotlib.ticker import NullFormatter
import numpy as np

from apex_tf import drawing
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.reports import event_files
from apex_tf.reports import runs as runs_lib
from apex_tf.reports import section

# Of more roles of a kind than this, the middle and the range are drawn; of
# bands, one alone.
_MAX_ROLES = 4
# Of more points than this, means and the range between them.
_MAX_POINTS = 300
# Its values are names.
_SIDES = 'waiting_side'


class Line(NamedTuple):
  """A line of a panel, of each role that has it.

  Attributes:
    kind: of the roles.
    metric: its name.
    low: metric at the lower edge of a band around it; "" is no band.
    high: metric at the upper edge.
  """
  kind: str
  metric: str
  low: str = ''
  high: str = ''

  def metrics(self) -> List[metric_table.Metric]:
    """What is drawn, the line first."""
    return [metrics_lib.METRICS[name]
            for name in (self.metric, self.low, self.high) if name]


class Panel(NamedTuple):
  """Lines of one unit in one picture."""
  title: str
  lines: Sequence[Line]
  is_logarithmic: bool = False


_L, _A, _R = metric_table.LEARNER, metric_table.ACTOR, metric_table.REPLAY

GALLERIES: Sequence[Tuple[str, Sequence[Panel]]] = (
    ('Throughput', (
        Panel('Learning', (Line(_L, 'learner_steps_per_second'),)),
        Panel('Acting, all actors', (Line(_L, 'agent_steps_per_second'),)),
        Panel('Acting, each actor', (Line(_A, 'agent_steps_per_second'),)),
        Panel('Transitions', (
            Line(_L, 'samples_per_second'), Line(_R, 'samples_per_second'),
            Line(_R, 'inserts_per_second'))),
        Panel('The learner waits', (Line(_L, 'batch_wait_share'),)),
        Panel('Memory', tuple(
            Line(kind, 'resident_megabytes') for kind in (
                _L, _A, _R, metric_table.EVALUATOR))),
    )),
    ('Replay health', (
        Panel('Size', (Line(_R, 'replay_size'),)),
        Panel('Samples for each insert', (Line(_R, 'samples_per_insert'),)),
        Panel('Whom replay makes wait', (Line(_R, _SIDES),)),
        Panel('Age of what is learned', (
            Line(_L, 'sample_age_p50', 'sample_age_p50', 'sample_age_p90'),)),
        Panel('Lag of the priorities', (Line(_L, 'priority_lag_steps'),)),
        Panel('|TD| at insert and at update', (
            Line(_A, 'insert_priority_p50', 'insert_priority_p10',
                 'insert_priority_p90'),
            Line(_L, 'td_error_p50', 'td_error_p10', 'td_error_p90')),
              is_logarithmic=True),
    )),
    ('Values, errors and gradients', (
        Panel('Values', (Line(_L, 'mean_q'), Line(_L, 'policy_q'))),
        Panel('Loss', (Line(_L, 'loss'),), is_logarithmic=True),
        Panel('Gradients', (
            Line(_L, 'gradient_norm'), Line(_L, 'policy_gradient_norm')),
              is_logarithmic=True),
        Panel('Actions at their bounds', (
            Line(_L, 'action_saturation'),
            Line(_L, 'action_gradient_clipped'))),
    )),
)


def galleries(run: runs_lib.Run) -> List[section.Gallery]:
  """All pictures of a run; those of metrics of another agent are left out."""
  agent = run.config.agent.name
  found = []
  for title, panels in GALLERIES:
    pictures = []
    for panel in panels:
      lines = [line for line in panel.lines
               if line.metrics()[0].agent in ('', agent)]
      if lines:
        pictures.append(_picture(run, panel._replace(lines=lines)))
    found.append(section.Gallery(title, pictures))
  return found


def _picture(run: runs_lib.Run, panel: Panel) -> section.Picture:
  kinds: Dict[str, List[str]] = {}
  for line in panel.lines:
    for metric in line.metrics():
      kinds.setdefault(metric.name, []).append(line.kind)
  # In the order of the table, whose texts refer to each other.
  caption = [f'{name} ({", ".join(dict.fromkeys(kinds[name]))}): {metric.doc}'
             for name, metric in metrics_lib.METRICS.items() if name in kinds]
  return section.Picture(
      panel.title, caption, lambda axes: _draw(axes, run, panel))


def _draw(axes: Axes, run: runs_lib.Run, panel: Panel) -> None:
  """Draws one panel."""
  drawing.style(axes)
  metric = panel.lines[0].metrics()[0]
  axes.set_ylabel(_words(metric.name) if metric.unit == '1'
                  else metric.unit, color=drawing.INK)
  axes.set_xlabel("minutes since the learner's start", color=drawing.INK)
  draw = _draw_sides if metric.name == _SIDES else _draw_lines
  drawn = draw(axes, run, panel)
  if not drawn:
    drawing.say(axes, 'no points')
    return
  for minute in run.restart_minutes():
    axes.axvline(minute, color=drawing.FAINT, linestyle=':', linewidth=1)
  axes.set_xlim(left=0)
  if drawn > 1:
    axes.legend(loc='best', fontsize=8, framealpha=0.8, edgecolor='none')


def _draw_lines(axes: Axes, run: runs_lib.Run, panel: Panel) -> int:
  """Draws the lines of a panel; how many."""
  drawn = 0
  for line in panel.lines:
    roles = _roles(run, line)
    if len(roles) > (1 if line.low else _MAX_ROLES):
      _draw_spread(axes, run, line, roles, drawing.color(drawn))
      drawn += 1
      continue
    for role in roles:
      _draw_role(axes, run, line, role, drawing.color(drawn))
      drawn += 1
  low, high = axes.dataLim.intervaly
  if panel.is_logarithmic and 0 < low <= high:
    axes.set_yscale('log')
    if high < 100 * low:  # One label says little.
      axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
      axes.yaxis.set_major_formatter(drawing.make_formatter())
      axes.yaxis.set_minor_formatter(NullFormatter())
    return drawn
  axes.yaxis.set_major_formatter(drawing.make_formatter())
  if 0 <= low <= high:
    axes.set_ylim(bottom=0)
  return drawn


def _roles(run: runs_lib.Run, line: Line) -> List[str]:
  """The roles that have written the metric of a line."""
  return [role for role in run.roles(line.kind)
          if line.metric in run.events[role].series]


def _draw_role(axes: Axes, run: runs_lib.Run, line: Line, role: str,
               color: str) -> None:
  """Draws the line of one role, with its band.

  Where there is none, the band is the range of what a point stands for.
  """
  series = run.events[role].series
  minutes, middle, *edges = _thin(run, series[line.metric])
  axes.plot(minutes, middle, color=color, linewidth=1.4,
            label=_words(f'{role}: {line.metric}'),
            marker='o' if len(minutes) < 3 else '', markersize=4)
  if line.low:
    low, high = (_thin(run, series.get(name, event_files.NO_POINTS))
                 for name in (line.low, line.high))
    if not (low.size and high.size):
      return
    minutes, edges = low[0], [low[1], np.interp(low[0], *high[:2])]
  axes.fill_between(minutes, *edges, color=color, alpha=0.18, linewidth=0)


def _words(name: str) -> str:
  return name.replace('_', ' ')


def _draw_spread(axes: Axes, run: runs_lib.Run, line: Line,
                 roles: Sequence[str], color: str) -> None:
  """Draws the median of many roles.

  Its band is that of the medians of its edges, or the range of all roles.
  """
  at = np.concatenate([
      run.minutes(run.events[role].series[line.metric].times)
      for role in roles])
  grid = np.linspace(at.min(), at.max(), _MAX_POINTS)
  rows = [_on_grid(run, name, roles, grid)
          for name in (line.metric, line.low, line.high) if name]
  known = np.isfinite(rows).any(axis=1).all(axis=0)
  grid, (values, *others) = grid[known], [row[:, known] for row in rows]
  edges = ([np.nanmedian(other, axis=0) for other in others] or
           [np.nanmin(values, axis=0), np.nanmax(values, axis=0)])
  axes.plot(grid, np.nanmedian(values, axis=0), color=color, linewidth=1.4,
            label=_words(f'{len(roles)} {line.kind}s, median: {line.metric}'))
  axes.fill_between(grid, *edges, color=color, alpha=0.18, linewidth=0)


def _on_grid(run: runs_lib.Run, metric: str, roles: Sequence[str],
             grid: np.ndarray) -> np.ndarray:
  """A metric of several roles at given minutes; NaN where it has no value.

  Returns:
    `<float64>[roles, minutes]`.
  """
  rows = []
  for role in roles:
    minutes, values, _, _ = _thin(
        run, run.events[role].series.get(metric, event_files.NO_POINTS))
    rows.append(np.interp(grid, minutes, values, left=np.nan, right=np.nan)
                if minutes.size else np.full_like(grid, np.nan))
  return np.array(rows)


def _thin(run: runs_lib.Run, series: event_files.Series) -> np.ndarray:
  """Minutes, means, minima and maxima of at most 300 parts of a series.

  Returns:
    `<float64>[4, parts]`, without what is not finite.
  """
  known = np.isfinite(series.values)
  minutes, values = run.minutes(series.times[known]), series.values[known]
  parts = [part for part in np.array_split(
      np.stack([minutes, values]), min(_MAX_POINTS, max(1, len(values))),
      axis=1) if part.size]
  return np.array([
      (part[0].mean(), part[1].mean(), part[1].min(), part[1].max())
      for part in parts]).reshape(-1, 4).T


def _draw_sides(axes: Axes, run: runs_lib.Run, panel: Panel) -> int:
  """Draws a tick for each point of `waiting_side`, and names its values."""
  roles = _roles(run, panel.lines[0])
  for index, role in enumerate(roles):
    series = run.events[role].series[_SIDES]
    # One shard beside the other.
    axes.plot(run.minutes(series.times),
              series.values + 0.6 * index / len(roles), '|',
              color=drawing.color(index), markersize=8, alpha=0.6,
              label=_words(role))
  if roles:
    values = np.concatenate([
        run.events[role].series[_SIDES].values for role in roles])
    axes.set_yticks(
        list(metric_table.WAITING_SIDES.values()),
        [f'{side or "no one"}\n{100 * (values == number).mean():.0f}%'
         for side, number in metric_table.WAITING_SIDES.items()])
    axes.set_ylim(-0.5, 2.8)
    axes.set_ylabel('who waits, and in how many points', color=drawing.INK)
  return len(roles)
