"""What came out of a study, as Markdown and as rows for CSV."""

import itertools
import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from apex_tf import formatting as fmt
from apex_tf.environments import protocol
from apex_tf.experiments import intervals
from apex_tf.experiments import outcomes

# How to read the tables' numbers.
MEANS = ('Means over the seeds, ± half the width of their 95 % intervals; a '
         'single seed has none.')
# Columns of the Markdown table: title, column of a cell's row, and how it is
# written.
_COLUMNS = (
    ('final return', 'final_return_mean', fmt.score),
    ('best return', 'best_return_mean', fmt.score),
    ('learner steps/s', 'learner_steps_per_second', fmt.rate),
    ('agent steps/s', 'agent_steps_per_second', fmt.rate),
    ('agent steps', 'agent_steps', fmt.count),
)


def cell_rows(outcome: outcomes.Outcome) -> List[Dict[str, Any]]:
  """A row for each finished cell."""
  return [{'study': outcome.plan.study.name, **cell.row()}
          for arm in outcome.arms for cell in arm.cells]


def curve_rows(outcome: outcomes.Outcome) -> List[Dict[str, Any]]:
  """A row for each evaluation of each finished cell that its status has."""
  return [
      {'arm': arm.arm.name, 'seed': cell.cell.seed,
       'learner_step': evaluation.learner_step,
       'agent_steps': evaluation.agent_steps,
       'environment_frames': evaluation.environment_frames,
       'minutes': evaluation.wall_seconds / 60,
       'mean': evaluation.mean, 'std': evaluation.std,
       'episodes': len(evaluation.returns), 'final': int(evaluation.final)}
      for arm in outcome.arms for cell in arm.cells
      for evaluation in cell.evaluations]


def describe(outcome: outcomes.Outcome) -> str:
  """One paragraph: of what the study is."""
  plan = outcome.plan
  config = plan.config
  rules = protocol.sentence(protocol.describe(config))
  ends = (f'{config.run.max_learner_steps:,} learner steps of '
          f'{config.learner.batch_size} transitions a cell'
          if plan.study.holds_rate else '')
  return '; '.join(part for part in (
      f'{fmt.task_name(config)}, {fmt.agent_name(config)}' if
      plan.study.holds_rate else fmt.agent_name(config),
      f'{plan.num_seeds} seed{"s" * (plan.num_seeds > 1)} from '
      f'{config.run.seed} on', ends, rules) if part) + '.'


class Table(NamedTuple):
  """A table of text."""
  header: Sequence[str]
  rows: Sequence[Sequence[str]]

  def without_empty_columns(self) -> 'Table':
    """The columns of which some row has something."""
    filled = [any(row[column] for row in self.rows)
              for column in range(len(self.header))]
    return Table(list(itertools.compress(self.header, filled)),
                 [list(itertools.compress(row, filled)) for row in self.rows])

  def to_markdown(self) -> str:
    return fmt.markdown_table(self.header, self.rows)


def study_table(outcome: outcomes.Outcome) -> Table:
  """A row for each arm: means over its seeds, with intervals of 95 %."""
  rows = []
  for arm in outcome.arms:
    minutes = intervals.interval(
        [cell.summary['wall_seconds'] / 60 for cell in arm.cells])
    rows.append([
        arm.arm.label, str(len(arm.cells)),
        *(with_interval(arm.interval(name), write)
          for _, name, write in _COLUMNS), f'{minutes.mean:.1f}'])
  return Table(
      [outcome.plan.study.title, 'seeds',
       *(title for title, _, _ in _COLUMNS), 'minutes a cell'], rows)


def notes(outcome: outcomes.Outcome) -> List[str]:
  """What a reader of the results would otherwise be misled about: which cells
  are missing, which were resumed or had processes that were started again, and
  whose final evaluation was cut short."""
  cells = [cell for arm in outcome.arms for cell in arm.cells]
  missing = [cell.name for cell in outcome.missing]
  resumed = [f'{cell.cell.name} ({times} times)' if times > 1 else
             cell.cell.name for cell in cells
             if (times := cell.cell.times_resumed())]
  restarted = [f'{cell.cell.name} ({restarts[0]})' for cell in cells
               if (restarts := fmt.restarts(cell.summary['restarts']))]
  cut_short = [cell.cell.name for cell in cells
               if not cell.summary['final_evaluation_complete']]
  found = []
  if missing:
    found.append(f'Not finished: {"; ".join(missing)}.')
  if resumed:
    found.append(
        'Resumed, with a replay that was filled anew unless it has '
        f'checkpoints: {"; ".join(resumed)}.')
  if restarted:
    found.append(
        'Processes had died, and went on: the learner from its last '
        'checkpoint, replay empty unless it has checkpoints: '
        f'{"; ".join(restarted)}.')
  if cut_short:
    found.append(
        'Final evaluations whose time (evaluator.max_seconds) ended before all '
        'their episodes, which leaves out the long ones: '
        f'{"; ".join(cut_short)}.')
  return found


def with_interval(interval: Optional[intervals.Interval],
                  write: Callable[[float], str]) -> str:
  """As text, such as "4.00 ± 2.48"; "" where there is none.

  Args:
    interval: of one seed, its mean alone is written.
    write: of a number.
  """
  if interval is None:
    return ''
  if math.isnan(interval.half_width):
    return write(interval.mean)
  return f'{write(interval.mean)} ± {write(interval.half_width)}'
