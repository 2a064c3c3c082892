"""Scores of a suite of games, against random, human and the paper's play."""

import statistics
from typing import Any, Dict, List, Optional

from apex_tf import environments
from apex_tf import formatting as fmt
from apex_tf.environments import scores
from apex_tf.experiments import outcomes
from apex_tf.experiments import tables

Row = Dict[str, Any]

_NORMALIZED = (
    'human_normalized_final_percent', 'human_normalized_best_percent',
    'human_normalized_apex_noop_percent')


def rows(outcome: outcomes.Outcome) -> List[Row]:
  """A row for each game.

  Returns:
    Means over the seeds of the final policies' returns, with half the width of
    their 95 % interval, and of the best evaluation during training ("best so
    far"; what the paper reports); where there are reference scores, those of
    Horgan et al. 2018 from no-op starts, and all of them normalized: 0 for
    random and 100 for human play; and the protocol of play.
  """
  return [_row(arm) for arm in outcome.arms]


def _row(arm: outcomes.ArmOutcome) -> Row:
  environment = arm.cells[0].cell.config.environment
  reference = environments.reference_scores(environment)
  final = arm.interval('final_return_mean')
  best = _mean(arm, 'best_return_mean')

  def normalized(value: Optional[float]) -> Optional[float]:
    return (None if reference is None or value is None else
            scores.human_normalized_score(environment.game, value))

  return {
      'game': environment.game,
      'seeds': len(arm.cells),
      'final_evaluations_complete': all(
          cell.summary['final_evaluation_complete'] for cell in arm.cells),
      'final_return_mean': final and final.mean,
      'final_return_half_width': final and final.half_width,
      'best_return_mean': best,
      'random_return': reference and reference.random,
      'human_return': reference and reference.human,
      'apex_noop_return': reference and reference.apex_noop,
      'human_normalized_final_percent': normalized(final and final.mean),
      'human_normalized_best_percent': normalized(best),
      'human_normalized_apex_noop_percent': normalized(
          reference and reference.apex_noop),
      'environment_frames': _mean(arm, 'environment_frames'),
      'learner_steps': _mean(arm, 'learner_steps'),
      'minutes': (_mean(arm, 'wall_seconds') or 0.0) / 60,
      **{f'protocol_{name}': value
         for name, value in arm.cells[0].summary['protocol'].items()},
  }


def _mean(arm: outcomes.ArmOutcome, name: str) -> Optional[float]:
  interval = arm.interval(name)
  return interval and interval.mean


def table(outcome: outcomes.Outcome) -> tables.Table:
  """The same as text; where no game has a reference, without their columns."""
  return tables.Table(
      ['game', 'seeds', 'final', 'best so far', 'random', 'human',
       "paper's best", 'final, % of human', 'best, % of human',
       "paper's, % of human", 'frames', 'minutes'],
      [[fmt.game_name(row['game']), str(row['seeds']),
        tables.with_interval(
            arm.interval('final_return_mean'), fmt.score),
        *(_number(row[name]) for name in (
            'best_return_mean', 'random_return', 'human_return',
            'apex_noop_return')),
        *(_percent(row[name]) for name in _NORMALIZED),
        fmt.count(row['environment_frames']), f'{row["minutes"]:.0f}']
       for arm, row in zip(outcome.arms, rows(outcome))]
  ).without_empty_columns()


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
