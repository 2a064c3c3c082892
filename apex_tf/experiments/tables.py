"""What came out of a study, as Markdown and as rows for CSV."""

import csv
import io
import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from apex_tf import formatting as fmt
from apex_tf.environments import protocol
from apex_tf.experiments import outcomes
from apex_tf.experiments import statistics

# Columns of the Markdown table: title, column of a cell's row, and how it is
# written.
_COLUMNS = (
    ('final return', 'final_return_mean', fmt.score),
    ('best return', 'best_return_mean', fmt.score),
    ('learner steps/s', 'learner_steps_per_second', fmt.rate),
    ('agent steps/s', 'agent_steps_per_second', fmt.rate),
    ('agent steps', 'agent_steps', fmt.count),
    ('samples per insert', 'samples_per_insert', fmt.rate),
)


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
  """Rows of the same columns, with a header; None is an empty field."""
  text = io.StringIO()
  writer = csv.DictWriter(text, list(rows[0]) if rows else [],
                          lineterminator='\n')
  writer.writeheader()
  writer.writerows(rows)
  return text.getvalue()


def cell_rows(outcome: outcomes.Outcome) -> List[Dict[str, Any]]:
  """A row for each finished cell."""
  return [{'study': outcome.plan.study.name, **cell.row()}
          for arm in outcome.arms for cell in arm.cells]


def curve_rows(outcome: outcomes.Outcome) -> List[Dict[str, Any]]:
  """A row for each evaluation of each finished cell."""
  return [
      {'arm': arm.arm.name, 'seed': cell.cell.seed,
       'learner_step': evaluation.learner_step,
       'agent_steps': evaluation.agent_steps,
       'environment_frames': evaluation.environment_frames,
       'minutes': evaluation.wall_seconds / 60,
       'return_mean': evaluation.mean, 'return_std': evaluation.std,
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

  def to_markdown(self) -> str:
    lines = [self.header, ['---'] * len(self.header), *self.rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def study_table(outcome: outcomes.Outcome) -> Table:
  """A row for each arm: means over its seeds, with intervals of 95 %."""
  rows = []
  for arm in outcome.arms:
    minutes = statistics.interval(
        [cell.summary['wall_seconds'] / 60 for cell in arm.cells])
    rows.append(
        [arm.arm.label, str(len(arm.cells))] +
        [_written(arm.interval(name), write) for _, name, write in _COLUMNS] +
        [f'{minutes.mean:.1f}'])
  return Table(
      [outcome.plan.study.title, 'seeds',
       *(title for title, _, _ in _COLUMNS), 'minutes a cell'], rows)


def missing_line(outcome: outcomes.Outcome) -> str:
  """Which cells are not there; "" where all are."""
  if not outcome.missing:
    return ''
  names = '; '.join(cell.name for cell in outcome.missing)
  return f'Not finished: {names}.'


def _written(interval: Optional[statistics.Interval],
             write: Any) -> str:
  if interval is None:
    return ''
  if math.isnan(interval.half_width):
    return write(interval.mean)
  return f'{write(interval.mean)} ± {write(interval.half_width)}'
