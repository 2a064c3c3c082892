"""What the cells of a study gave."""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from apex_tf.experiments import arms as arms_lib
from apex_tf.experiments import intervals
from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import study_directory
from apex_tf.monitoring import status as status_lib


class CellOutcome(NamedTuple):
  """What one finished cell gave.

  Attributes:
    cell: which.
    summary: see `monitoring.summary`.
    evaluations: those with a mean, in order.
  """
  cell: study_directory.Cell
  summary: Dict[str, Any]
  evaluations: Sequence[status_lib.Evaluation]

  def row(self) -> Dict[str, Any]:
    """For a table: a number or text by column."""
    return {
        'arm': self.cell.arm.name,
        'seed': self.cell.seed,
        **{name: self.summary[name] for name in study_directory.FROM_SUMMARY},
        'times_resumed': self.cell.times_resumed(),
    }


class ArmOutcome(NamedTuple):
  """What the finished cells of one arm gave.

  Attributes:
    arm: which.
    cells: at least one, a seed each.
  """
  arm: arms_lib.Arm
  cells: Sequence[CellOutcome]

  def values(self, name: str) -> List[float]:
    """Of a column of the cells' rows, those that are known."""
    return [value for cell in self.cells
            if (value := cell.row()[name]) is not None]

  def interval(self, name: str) -> Optional[intervals.Interval]:
    """Of such a column; None where no cell has a number."""
    values = self.values(name)
    return intervals.interval(values) if values else None

  def curve(self, num_points: int = 40) -> Tuple[np.ndarray, np.ndarray]:
    """Mean returns of each seed by learner step.

    Returns:
      `<float64>[points]` learner steps, `<float64>[seeds, points]` returns;
      see `intervals.on_common_grid`.
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
    return intervals.on_common_grid(curves, num_points)


class Outcome(NamedTuple):
  """What a study gave until now.

  Attributes:
    plan: of the study.
    arms: those with a finished cell, in their order.
    missing: the cells that are not finished.
  """
  plan: plan_lib.Plan
  arms: Sequence[ArmOutcome]
  missing: Sequence[study_directory.Cell]


def read(directory: study_directory.StudyDirectory,
         plan: plan_lib.Plan) -> Outcome:
  """Reads all cells of a plan.

  Raises:
    ValueError: names the files that cannot be read, all of them.
  """
  finished: Dict[str, List[CellOutcome]] = {}
  missing = []
  errors = []
  for cell in directory.cells(plan):
    try:
      if cell.is_finished():
        finished.setdefault(cell.arm.name, []).append(_read_cell(cell))
      else:
        missing.append(cell)
    except ValueError as error:
      errors.append(str(error))
  if errors:
    raise ValueError('; '.join(errors))
  return Outcome(
      plan,
      [ArmOutcome(arm, finished[arm.name]) for arm in plan.arms()
       if arm.name in finished],
      missing)


def _read_cell(cell: study_directory.Cell) -> CellOutcome:
  """Of a cell that is finished."""
  summary, status = cell.read_summary(), cell.read_status()
  assert summary is not None and status is not None
  return CellOutcome(
      cell, summary,
      [e for e in status.evaluations if math.isfinite(e.mean)])
