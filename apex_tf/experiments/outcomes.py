"""What the cells of a study gave."""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from apex_tf.experiments import grids
from apex_tf.experiments import statistics
from apex_tf.experiments import study_directory
from apex_tf.monitoring import status as status_lib

# Of a summary, what a row has under the same name.
_FROM_SUMMARY = (
    'final_return_mean', 'final_return_std', 'best_return_mean',
    'evaluation_episodes', 'evaluated_version', 'learner_steps', 'agent_steps',
    'environment_frames', 'wall_seconds', 'learner_steps_per_second',
    'samples_per_second', 'agent_steps_per_second', 'stop_reason')


class CellOutcome(NamedTuple):
  """What one finished cell gave.

  Attributes:
    cell: which.
    summary: see `monitoring.summary`.
    evaluations: those with a mean, in order.
    samples_per_insert: that replay had in the end; None where it does not say.
  """
  cell: study_directory.Cell
  summary: Dict[str, Any]
  evaluations: Sequence[status_lib.Evaluation]
  samples_per_insert: Optional[float]

  def row(self) -> Dict[str, Any]:
    """For a table: a number or text by column."""
    return {
        'arm': self.cell.arm.name,
        'seed': self.cell.seed,
        **{name: self.summary[name] for name in _FROM_SUMMARY},
        'samples_per_insert': self.samples_per_insert,
        'times_resumed': self.cell.times_resumed(),
    }


class ArmOutcome(NamedTuple):
  """What the finished cells of one arm gave.

  Attributes:
    arm: which.
    cells: at least one, a seed each.
  """
  arm: grids.Arm
  cells: Sequence[CellOutcome]

  def values(self, name: str) -> List[float]:
    """Of a column of the cells' rows, those that are known."""
    return [value for cell in self.cells
            if (value := cell.row()[name]) is not None]

  def interval(self, name: str) -> Optional[statistics.Interval]:
    """Of such a column; None where no cell has a number."""
    values = self.values(name)
    return statistics.interval(values) if values else None

  def curve(self, num_points: int = 40) -> Tuple[np.ndarray, np.ndarray]:
    """Mean returns of each seed by learner step.

    Returns:
      `<float64>[points]` learner steps, `<float64>[seeds, points]` returns;
      see `statistics.on_common_grid`.
    """
    curves = []
    for cell in self.cells:
      # The last of those of one version, which is the final one.
      by_step = {e.learner_step: e.mean for e in cell.evaluations}
      if by_step:
        steps = sorted(by_step)
        curves.append((np.array(steps, float),
                       np.array([by_step[step] for step in steps])))
    if not curves:
      return np.zeros(0), np.zeros((0, 0))
    return statistics.on_common_grid(curves, num_points)


class Outcome(NamedTuple):
  """What a study gave until now.

  Attributes:
    plan: of the study.
    arms: those with a finished cell, in their order.
    missing: the cells that are not finished.
  """
  plan: study_directory.Plan
  arms: Sequence[ArmOutcome]
  missing: Sequence[study_directory.Cell]


def read(directory: study_directory.StudyDirectory,
         plan: study_directory.Plan) -> Outcome:
  """Reads all cells of a plan.

  Raises:
    ValueError: a finished cell cannot be read; names its directory.
  """
  finished: Dict[str, List[CellOutcome]] = {}
  missing = []
  for cell in directory.cells(plan):
    if cell.is_finished():
      finished.setdefault(cell.arm.name, []).append(_read_cell(cell))
    else:
      missing.append(cell)
  return Outcome(
      plan,
      [ArmOutcome(arm, finished[arm.name]) for arm in plan.arms()
       if arm.name in finished],
      missing)


def _read_cell(cell: study_directory.Cell) -> CellOutcome:
  try:
    summary = cell.directory.read_summary()
    status = cell.directory.read_status()
    if summary is None or status is None:
      raise ValueError('it has no summary.json or no status.json')
    lacking = [name for name in _FROM_SUMMARY if name not in summary]
    if lacking:
      raise ValueError(f'its summary.json has no {", ".join(lacking)}')
  except (KeyError, OSError, TypeError, ValueError) as error:
    raise ValueError(f'the cell {cell.directory.path} cannot be read: {error}'
                    ) from error
  return CellOutcome(
      cell, summary,
      [e for e in status.evaluations if math.isfinite(e.mean)],
      status.replay.samples_per_insert or None)
