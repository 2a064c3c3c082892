"""What a run leaves when it is over: summary and learning curve."""

import os
import sys
from typing import Any, Dict, List

from apex_tf import config as config_lib
from apex_tf.monitoring import learning_curve
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import summary as summary_lib


def write(config: config_lib.Config, directory: run_directory.RunDirectory,
          ended: str) -> List[str]:
  """Writes the results, by the last status of the run.

  Args:
    config: of the run.
    directory: of the run.
    ended: "" where it ended by itself, else `status.INTERRUPTED` or
      `status.FAILED`.

  Returns:
    Lines for the terminal: what came out, and where to look.
  """
  status = directory.read_status() or status_lib.RunStatus()
  if ended and not (ended == status_lib.INTERRUPTED and status.stop_reason):
    status.stop_reason = ended
  if ended == status_lib.INTERRUPTED:  # The roles did not know of the others.
    status.phase = status_lib.DONE
  directory.write_status(status)
  learning_curve.write_learning_curve(
      directory.learning_curve_file, status, config)
  summary: Dict[str, Any] = summary_lib.summarize(
      status, config, directory.read_restarts())
  directory.write_summary(summary)
  tensorboard = os.path.join(os.path.dirname(sys.executable), 'tensorboard')
  return [
      summary_lib.final_line(summary),
      f'Learning curve: {directory.learning_curve_file}',
      f'TensorBoard:    {tensorboard} --logdir {directory.tensorboard_root}',
  ]
