"""Cells that have run, as their files tell; written by hand."""

from typing import Any, Dict, Sequence, Tuple

from apex_tf.experiments import study_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import summary as summary_lib

# (learner step, mean) of each evaluation, the final one last.
Curve = Sequence[Tuple[int, float]]


def finish(cell: study_directory.Cell, curve: Curve,
           stop_reason: str = 'max_learner_steps', final: bool = True,
           **others: Any) -> None:
  """Writes what a cell leaves that has ended.

  Args:
    cell: to be finished.
    curve: its evaluations.
    stop_reason: why it ended.
    final: whether the last evaluation is the final one.
    **others: fields of its status.
  """
  evaluations = [
      status_lib.Evaluation(
          learner_step=step, agent_steps=8 * step, environment_frames=8 * step,
          wall_seconds=step / 10, returns=[mean - 1, mean + 1], complete=True,
          final=final and index == len(curve) - 1, mean=mean, std=1.0)
      for index, (step, mean) in enumerate(curve)]
  fields: Dict[str, Any] = dict(
      phase=status_lib.DONE, stop_reason=stop_reason, learner_steps=1000,
      agent_steps=8000, environment_frames=8000, wall_seconds=120.0,
      learning_seconds=100.0, evaluations=evaluations,
      replay=status_lib.ReplayStatus(samples_per_insert=4.0))
  fields.update(others)
  status = status_lib.RunStatus(**fields)
  cell.directory.record_start('launcher')
  cell.directory.write_config(cell.config)
  cell.directory.write_status(status)
  cell.directory.write_summary(summary_lib.summarize(status, cell.config))
