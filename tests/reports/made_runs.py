"""Run directories made by hand, with real event files."""

import json
import pathlib
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from apex_tf import config as config_lib
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import summary as summary_lib
from apex_tf.monitoring import tensorboard_layout

LEARNER_STEPS = 500


def make_evaluation(step: int, returns: Sequence[float],
                    **others: Any) -> status_lib.Evaluation:
  """One of four frames an agent step and ten agent steps a learner step."""
  values: Dict[str, Any] = dict(
      learner_step=step, agent_steps=10 * step, environment_frames=40 * step,
      wall_seconds=float(step), returns=list(returns), complete=True,
      final=False, mean=float(np.mean(returns)), std=float(np.std(returns)))
  values.update(others)
  return status_lib.Evaluation(**values)


def make_status(evaluations: Sequence[status_lib.Evaluation],
                **others: Any) -> status_lib.RunStatus:
  """Of a run of so many evaluations."""
  values: Dict[str, Any] = dict(
      phase=status_lib.DONE, stop_reason='max_learner_steps',
      wall_seconds=600.0, learning_seconds=500.0, learner_steps=LEARNER_STEPS,
      agent_steps=5000, environment_frames=20_000, episodes=30,
      evaluations=list(evaluations))
  values.update(others)
  return status_lib.RunStatus(**values)


def atari_config(game: str = 'pong') -> config_lib.Config:
  config = config_lib.Config()
  config.environment.suite = 'atari'
  config.environment.game = game
  return config


def write_points(directory: run_directory.RunDirectory, role: str,
                 points: Sequence[Dict[str, float]]) -> None:
  """Writes a new event file of a role."""
  logger = metrics_lib.MetricsLogger(
      directory.tensorboard_directory(role), role,
      layout=tensorboard_layout.make_summary('dqn') if role == 'learner'
      else None)
  for point in points:
    logger.write(point)
  logger.close()


def write_run(path: pathlib.Path, config: config_lib.Config,
              status: Optional[status_lib.RunStatus],
              has_ended: bool = True) -> run_directory.RunDirectory:
  """A run with a learner, an actor and replay, and no other event file."""
  path.mkdir(parents=True)
  directory = run_directory.RunDirectory(str(path))
  directory.write_config(config)
  if status is not None:
    directory.write_status(status)
    if has_ended:
      directory.write_summary(summary_lib.summarize(status, config))
  write_points(directory, 'learner', [
      {'step': step, 'loss': 1.0 / step, 'mean_q': 2.0 * step,
       'learner_steps_per_second': 7.0} for step in (100, 200, 300)])
  write_points(directory, 'actor_0', [
      {'step': step, 'agent_steps_per_second': 9.0,
       'insert_priority_p10': 0.1, 'insert_priority_p50': 0.2,
       'insert_priority_p90': 0.4} for step in (10, 20)])
  write_points(directory, 'replay', [
      {'step': step, 'replay_size': step, 'waiting_side': step % 3}
      for step in (1, 2, 3)])
  return directory


def event_files(directory: run_directory.RunDirectory,
                role: str) -> List[pathlib.Path]:
  """Of a role, in the order of their names."""
  return sorted(
      pathlib.Path(directory.tensorboard_directory(role)).iterdir())


def flip_bit(path: pathlib.Path, place: float) -> None:
  """Of the byte at a place from 0, the first, to 1, the last."""
  data = bytearray(path.read_bytes())
  data[round(place * (len(data) - 1))] ^= 4
  path.write_bytes(data)


def snapshot(path: pathlib.Path) -> Dict[str, Any]:
  """What is in a directory, to see later that nothing has changed."""
  return {str(file): file.read_bytes() if file.is_file() else None
          for file in sorted(path.rglob('*'))}


def read_json(path: pathlib.Path) -> Any:
  return json.loads(path.read_text())
