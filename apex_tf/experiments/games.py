"""Scores of a suite of games, against random, human and the paper's play."""

import statistics
from typing import Any, Dict, List, Optional

from apex_tf import formatting as fmt
from apex_tf.environments import protocol
from apex_tf.environments import scores
from apex_tf.experiments import outcomes
from apex_tf.experiments import tables

Row = Dict[str, Any]

_NORMALIZED = ('final_human_normalized', 'best_human_normalized',
               'paper_best_human_normalized')


def rows(outcome: outcomes.Outcome) -> List[Row]:
  """A row for each game.

  Returns:
    Means over the seeds of the final policies' returns and of the best
    evaluation during training ("best so far"; what the paper reports), and
    where there are reference scores those of Horgan et al. 2018 from no-op
    starts, and all of them normalized: 0 for random and 100 for human play.
  """
  return [_row(arm) for arm in outcome.arms]


def _row(arm: outcomes.ArmOutcome) -> Row:
  game = arm.arm.name
  reference = scores.REFERENCE_SCORES.get(game)
  if arm.cells[0].cell.config.environment.suite != 'atari':
    reference = None  # MinAtar has games of the same names.
  final, best = (_mean(arm, name) for name in
                 ('final_return_mean', 'best_return_mean'))

  def normalized(value: Optional[float]) -> Optional[float]:
    return (None if reference is None or value is None else
            scores.human_normalized_score(game, value))

  return {
      'game': game,
      'seeds': len(arm.cells),
      'final_return': final,
      'best_return': best,
      'random': reference and reference.random,
      'human': reference and reference.human,
      'paper_best_return': reference and reference.apex_noop,
      'final_human_normalized': normalized(final),
      'best_human_normalized': normalized(best),
      'paper_best_human_normalized': reference and normalized(
          reference.apex_noop),
      'environment_frames': _mean(arm, 'environment_frames'),
      'learner_steps': _mean(arm, 'learner_steps'),
      'minutes': (_mean(arm, 'wall_seconds') or 0.0) / 60,
      **{f'protocol_{name}': value for name, value in
         protocol.describe(arm.cells[0].cell.config).items()},
  }


def _mean(arm: outcomes.ArmOutcome, name: str) -> Optional[float]:
  interval = arm.interval(name)
  return interval and interval.mean


def table(outcome: outcomes.Outcome) -> tables.Table:
  """The same as text."""
  return tables.Table(
      ['game', 'seeds', 'final', 'best so far', 'random', 'human',
       "paper's best", 'final, % of human', 'best, % of human',
       "paper's, % of human", 'frames', 'minutes'],
      [[row['game'].replace('_', ' ').title(), str(row['seeds']),
        *(_number(row[name]) for name in (
            'final_return', 'best_return', 'random', 'human',
            'paper_best_return')),
        *(_percent(row[name]) for name in _NORMALIZED),
        fmt.count(row['environment_frames']), f'{row["minutes"]:.0f}']
       for row in rows(outcome)])


def aggregates(outcome: outcomes.Outcome) -> List[str]:
  """Median and mean human-normalized scores over the games: a line for the
  final policies, for the best and for the paper's; [] where there are none."""
  found, lines = rows(outcome), []
  for title, name in zip(
      ('final policies', 'best during training',
       "the paper's, best during training, the same games"), _NORMALIZED):
    values = [row[name] for row in found if row[name] is not None]
    if values:
      lines.append(
          f'Human-normalized, {title}: median '
          f'{statistics.median(values):,.1f} %, mean '
          f'{statistics.fmean(values):,.1f} % of human over {len(values)} '
          f'game{"s" * (len(values) > 1)}.')
  return lines


def _number(value: Optional[float]) -> str:
  return '' if value is None else fmt.score(value)


def _percent(value: Optional[float]) -> str:
  return '' if value is None else f'{value:,.1f}'
