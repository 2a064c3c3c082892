"""What the launching terminal shows: a panel, or one line.

Pure functions of a `RunStatus` and its `Config`.
"""

import math
from typing import Dict, List, Optional, Sequence, Tuple

from rich import box
from rich.console import Group
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf.monitoring import block_chart
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import stalls
from apex_tf.monitoring import status as status_lib

# A status older than this is said to be old: the learner writes one a second.
STALE_SECONDS = 15.0
# Seconds of waiting at replay that are worth a warning.
WAITING_SECONDS = 5.0

_BAR_WIDTH = 20
_CURVE_WIDTH = 52
_CURVE_HEIGHT = 4
_MAX_ACTOR_ROWS = 4
_MAX_STALL_NOTES = 4
_RETURNS_WIDTH = 34
_PHASE_STYLES = {
    status_lib.FILLING: 'yellow',
    status_lib.LEARNING: 'green',
    status_lib.STOPPING: 'cyan',
    status_lib.FINAL_EVALUATION: 'cyan',
    status_lib.DONE: 'bold',
}


def render(status: status_lib.RunStatus, config: config_lib.Config,
           logdir: str = '', age_seconds: float = 0.0,
           restarts: Optional[Dict[str, int]] = None) -> RenderableType:
  """The panel, whole at 80 columns.

  Args:
    status: to be shown.
    config: of the run.
    logdir: of TensorBoard's event files; "" leaves its line out.
    age_seconds: since the status was written.
    restarts: of each role that was started again.
  """
  rows = Table.grid(padding=(0, 2))
  rows.add_column(style='bold', width=9, no_wrap=True)
  rows.add_column(overflow='fold')
  for name, value in [
      ('learner', _learner_line(status, config)),
      ('actors', _actors_line(status, config)),
      ('replay', _replay_line(status)),
      *_training_rows(status),
      ('evaluator', _evaluator_line(status, config)),
  ]:
    rows.add_row(name, value)
  parts: List[RenderableType] = [rows]
  curve = _curve_lines(status.evaluations)
  if curve:
    parts.append(curve)
  notes = _notes(status, age_seconds, restarts)
  if notes:
    parts.append(notes)
  return _frame(config, Group(*parts), _header(status, config), logdir)


def render_starting(config: config_lib.Config, states: Dict[str, str],
                    logdir: str = '') -> RenderableType:
  """The panel before there is a status.

  Args:
    config: of the run.
    states: of the roles that have said so far whether they run, by role.
    logdir: as in `render`.
  """
  return _frame(config, Text(_starting(config, states)),
                Text('starting', 'yellow'), logdir)


def starting_line(config: config_lib.Config, states: Dict[str, str],
                  seconds: float) -> str:
  """As `render_starting`, in one line, which says after how many seconds."""
  return f'starting {fmt.duration(seconds)}: {_starting(config, states)}'


def line(status: status_lib.RunStatus, config: config_lib.Config,
         age_seconds: float = 0.0,
         restarts: Optional[Dict[str, int]] = None) -> str:
  """The status in one line, for a log; arguments as of `render`."""
  phase = status.phase
  if status.stop_reason and phase != status_lib.DONE:
    phase += f' ({status.stop_reason})'
  parts = [
      f'{phase} {fmt.duration(status.wall_seconds)}',
      f'learner {fmt.count(status.learner_steps)} steps'
      f'{_per_second(status, "learner_steps_per_second")}',
      f'actors {fmt.count(status.agent_steps)} steps'
      f'{_per_second(status, "agent_steps_per_second")}',
      f'replay {fmt.count(status.replay.size)} of '
      f'{fmt.count(_replay_goal(status))}',
  ]
  parts += _stall_notes(status)
  if status.learner_steps:
    parts.append(f'loss {status.loss:.3g}')
  last = _last(status.evaluations)
  if last is not None:
    parts.append(f'evaluation {fmt.mean_and_std(last.mean, last.std)} '
                 f'(step {fmt.count(last.learner_step)})')
  parts += fmt.restarts(restarts)
  parts += fmt.unsaved(status.unsaved)
  parts += _stale_note(status, age_seconds)
  return f'{fmt.task_name(config)}: ' + ', '.join(parts)


def _frame(config: config_lib.Config, content: RenderableType, header: Text,
           logdir: str) -> RenderableType:
  title = Text.assemble((f'{fmt.agent_name(config)} · {fmt.task_name(config)} '
                         f'· seed {config.run.seed}', 'bold'))
  panel = Panel(Group(header, content), title=title, title_align='left',
                box=box.ROUNDED, width=80, padding=(0, 1))
  if not logdir:
    return panel
  # Outside of the frame: a long path may be folded and still be copied.
  return Group(panel, Text(f'  tensorboard --logdir {logdir}', 'dim',
                           overflow='fold'))


def _header(status: status_lib.RunStatus, config: config_lib.Config) -> Text:
  """Phase and time, against the limit."""
  text = Text(status.phase, _PHASE_STYLES.get(status.phase, ''))
  elapsed = fmt.duration(status.wall_seconds)
  if math.isfinite(config.run.max_minutes):
    elapsed += f' of {fmt.duration(60 * config.run.max_minutes)}'
  text.append(f' · {elapsed}', '')
  if status.stop_reason:
    text.append(f' · {status.stop_reason}', 'cyan')
  return text


def _learner_line(status: status_lib.RunStatus,
                  config: config_lib.Config) -> Text:
  text = _amount(status.learner_steps, config.run.max_learner_steps, 'steps')
  if status.learner_steps:
    text += [_rate(status, 'learner_steps_per_second', ''),
             _rate(status, 'samples_per_second', 'samples'),
             f'loss {status.loss:.3g}']
  return _joined(text)


def _actors_line(status: status_lib.RunStatus,
                 config: config_lib.Config) -> Text:
  text = _amount(status.agent_steps, config.run.max_agent_steps, 'steps')
  text.append(_rate(status, 'agent_steps_per_second', ''))
  if status.environment_frames != status.agent_steps:
    text.append(_rate(status, 'frames_per_second', 'frames'))
  text.append(f'{fmt.count(status.episodes)} episodes')
  if status.reporting_actors < config.actor.num_actors and (
      status.phase in status_lib.LEARNING_PHASES):
    text.append(
        f'{status.reporting_actors} of {config.actor.num_actors} report')
  return _joined(text)


def _replay_line(status: status_lib.RunStatus) -> Text:
  replay, goal = status.replay, _replay_goal(status)
  share = min(1.0, replay.size / goal) if goal else 0.0
  filled = round(share * _BAR_WIDTH)
  filling = status.phase == status_lib.FILLING
  text = Text.assemble(
      ('█' * filled, 'yellow' if filling else 'green'),
      ('░' * (_BAR_WIDTH - filled), 'dim'),
      f' {fmt.count(replay.size)} of {fmt.count(goal)}',
      ' to start' if filling else '')
  if replay.samples_per_insert and not filling:
    text.append(f' · {replay.samples_per_insert:.2f} samples/insert')
  return text


def _training_rows(
    status: status_lib.RunStatus) -> List[Tuple[str, RenderableType]]:
  """The newest training returns of each actor, with its exploration."""
  actors = sorted(status.actors.items(), key=lambda item: int(item[0]))
  if not actors:
    return []
  table = Table.grid(padding=(0, 2))
  for index, report in actors[:_MAX_ACTOR_ROWS]:
    returns = _newest(report.recent_returns)
    table.add_row(f'actor {index} {report.exploration}',
                  Text(returns or 'no episode yet',
                       '' if returns else 'dim', no_wrap=True))
  rest = actors[_MAX_ACTOR_ROWS:]
  if rest:
    last = [r.recent_returns[-1] for _, r in rest if r.recent_returns]
    mean = fmt.score(sum(last) / len(last)) if last else ''
    table.add_row(f'{len(rest)} more', f'{mean} mean of the last' if last
                  else Text('no episode yet', 'dim'))
  return [('training', table)]


def _newest(returns: Sequence[float]) -> str:
  """The newest returns, as many as fit beside the rest in 80 columns."""
  texts = [f'{fmt.score(r):>6}' for r in returns[-5:]]
  while len(' '.join(texts)) > _RETURNS_WIDTH:
    texts.pop(0)
  return ' '.join(texts)


def _evaluator_line(status: status_lib.RunStatus,
                    config: config_lib.Config) -> Text:
  target = ([f'target {fmt.target(config.run.target_return)}']
            if math.isfinite(config.run.target_return) else [])
  last = _last(status.evaluations)
  if last is None:
    return _joined(['no evaluation yet', *target])
  best = status_lib.best_evaluation(status.evaluations)
  human = fmt.percent(last.human_normalized)
  first = Text.assemble(
      (fmt.mean_and_std(last.mean, last.std), 'bold green'),
      f' over {len(last.returns)} episodes'
      f'{"" if last.complete else " (not all)"}'
      f' · policy of step {fmt.count(last.learner_step)}')
  second = _joined([*([f'best {fmt.score(best.mean)}'] if best else []),
                    *target, *([human] if human else [])])
  return Text('\n').join([first, second])


def _curve_lines(
    evaluations: Sequence[status_lib.Evaluation]) -> Optional[Text]:
  finite = [e for e in evaluations if math.isfinite(e.mean)]
  rows = block_chart.draw(finite, _CURVE_WIDTH, _CURVE_HEIGHT)
  if not rows:
    return None
  high = max(e.mean for e in finite)
  low = min(e.mean for e in finite)
  labels = [fmt.score(high)] + [''] * (_CURVE_HEIGHT - 2) + [fmt.score(low)]
  text = Text('\n')
  for label, row in zip(labels, rows):
    text.append(f'{label:>9} ', 'dim')
    text.append('┤' if label else '│', 'dim')
    text.append(f'{row}\n', 'green')
  begin, end = finite[0].wall_seconds, finite[-1].wall_seconds
  axis = f'└{fmt.duration(begin)}'
  text.append(' ' * 10 + axis, 'dim')
  ending = fmt.duration(end)
  text.append(ending.rjust(_CURVE_WIDTH + 1 - len(axis)), 'dim')
  return text


def _notes(status: status_lib.RunStatus, age_seconds: float,
           restarts: Optional[Dict[str, int]]) -> Optional[Text]:
  notes = [*_stall_notes(status), *fmt.restarts(restarts),
           *fmt.unsaved(status.unsaved), *_stale_note(status, age_seconds)]
  return Text('\n'.join(notes), 'yellow') if notes else None


def _stall_notes(status: status_lib.RunStatus) -> List[str]:
  """Who does not get on, or has begun to wait at replay."""
  notes = list(status.stalls)
  # Once learning is over, nobody samples, and actors may wait.
  waiting = (stalls.waiting_message(status.replay)
             if status.phase in status_lib.LEARNING_PHASES else '')
  if waiting and waiting not in notes and (
      status.replay.waiting_seconds >= WAITING_SECONDS):
    notes.insert(0, waiting)
  if len(notes) > _MAX_STALL_NOTES:
    rest = len(notes) - _MAX_STALL_NOTES
    notes[_MAX_STALL_NOTES:] = [f'{rest} more']
  return notes


def _stale_note(status: status_lib.RunStatus, age_seconds: float) -> List[str]:
  if age_seconds <= STALE_SECONDS or status.phase == status_lib.DONE:
    return []
  return [f'no news from the learner for {fmt.duration(age_seconds)}']


def _starting(config: config_lib.Config, states: Dict[str, str]) -> str:
  """Which roles there are to be, and whether they are up."""
  count = config.actor.num_actors
  up = sum(f'actor_{index}' in states for index in range(count))
  replay = metric_table.replay_roles(config.replay.shards)
  parts = [f'{role} up' if role in states else role
           for role in (*replay, 'learner', 'evaluator')]
  parts.insert(-1, f'actors {up} of {count} up' if up else f'{count} actors')
  return ', '.join(parts)


def _replay_goal(status: status_lib.RunStatus) -> int:
  """The size that replay grows to: first enough to learn, then full."""
  replay = status.replay
  filling = status.phase == status_lib.FILLING
  return replay.min_size if filling else replay.capacity


def _last(
    evaluations: Sequence[status_lib.Evaluation]
) -> Optional[status_lib.Evaluation]:
  """The newest with an episode."""
  finite = [e for e in evaluations if math.isfinite(e.mean)]
  return finite[-1] if finite else None


def _amount(value: int, limit: int, unit: str) -> List[str]:
  goal = f' of {fmt.count(limit)}' if limit else ''
  return [f'{fmt.count(value)}{goal} {unit}']


def _rate(status: status_lib.RunStatus, name: str, unit: str) -> str:
  return f'{fmt.rate(status.rates.get(name, 0.0))}{" " if unit else ""}{unit}/s'


def _per_second(status: status_lib.RunStatus, name: str) -> str:
  return f' ({_rate(status, name, "")})' if name in status.rates else ''


def _joined(parts: Sequence[str]) -> Text:
  return Text(' · '.join(parts))
