"""Plays the saved policy of a run, as the run's own evaluator would.

Nothing is fetched from a learner and nothing but the result is written, so the
run may well be going on.
"""

import dataclasses
import math
import time
from typing import Any, Dict, Optional

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf import saved_policy
from apex_tf import video as video_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import summary as summary_lib

# The evaluator is told how far the run has come, which nobody asks here.
_NO_COUNTS = {'agent_steps': 0, 'environment_frames': 0, 'wall_seconds': 0.0}


class NoEpisodeError(Exception):
  """No episode ended, because the simulator broke off every one of them."""


class SavedEvaluation:
  """An evaluation of what a run has saved, ready to be played."""

  def __init__(self, config: config_lib.Config,
               directory: run_directory.RunDirectory, episodes: int, seed: int,
               video: Optional[str] = None):
    """Restores the policy and makes its environments.

    Args:
      config: of the run.
      directory: of the run.
      episodes: to play; the run's own limit of time is not kept.
      seed: takes the place of `run.seed`.
      video: path of a film of the first episode of the first environment,
        checked; None for none.

    Raises:
      FileNotFoundError: there is no saved policy.
      ValueError: in one line, what does not fit, or cannot be rendered.
      FilmError: the film could not be written.
    """
    self._config = dataclasses.replace(
        config,
        evaluator=dataclasses.replace(
            config.evaluator, episodes=episodes, max_seconds=math.inf),
        run=dataclasses.replace(config.run, seed=seed))
    self._video: Optional[str] = None
    policy = saved_policy.SavedPolicy(directory.policy_file)
    builder = builder_lib.Builder(self._config)
    if video is None:
      environment = builder.make_evaluation_environment()
    else:
      environment = video_lib.record(
          lambda: builder.make_evaluation_environment(render=True), video)
      self._video = environment.path
    try:
      self._parts = builder.make_evaluator(policy, environment)
      policy.copy_to(self._parts.variable_client)
    except BaseException:  # Ctrl-C among them: half a film is not left.
      environment.close()
      raise

  def run(self) -> Dict[str, Any]:
    """Plays all episodes.

    Returns:
      The result as strict JSON data; returns that are not finite are None.

    Raises:
      NoEpisodeError: in one line, of which environment and how often it broke.
      FilmError: the film could not be written.
    """
    start = time.monotonic()
    evaluation = self._parts.evaluator.evaluate(
        _NO_COUNTS, final=True, keep_going=lambda: True)
    if evaluation is None:  # There is no limit of time.
      environment = self._parts.environment
      raise NoEpisodeError(
          f'{environment.name}: no result, because no episode ended and '
          f'{fmt.episodes(environment.num_broken_episodes)} broke off')
    return {
        'task': fmt.task_name(self._config),
        'agent': self._config.agent.name,
        'learner_step': evaluation.learner_step,
        'episodes': len(evaluation.returns),
        'broken_episodes': evaluation.broken_episodes,
        'mean': _finite(evaluation.mean),
        'std': _finite(evaluation.std),
        'min': _finite(min(evaluation.returns)),
        'max': _finite(max(evaluation.returns)),
        'returns': [_finite(value) for value in evaluation.returns],
        'human_normalized_score': _finite(evaluation.human_normalized),
        'seed': self._config.run.seed,
        'seconds': time.monotonic() - start,
        'video': self._video,
        'versions': summary_lib.versions(),
    }

  def close(self) -> None:
    """Closes the environments; a film that has no end is not kept."""
    self._parts.environment.close()


def final_line(result: Dict[str, Any]) -> str:
  """The result as a sentence, without a full stop.

  Args:
    result: as `SavedEvaluation.run` returns it.
  """
  mean, std = (math.nan if result[name] is None else result[name]
               for name in ('mean', 'std'))
  human = fmt.percent(result['human_normalized_score'])
  return (f'{result["task"]}: return {fmt.mean_and_std(mean, std)}'
          f'{f" ({human})" if human else ""} over '
          f'{fmt.episodes(result["episodes"])} '
          f'(policy of learner step {result["learner_step"]})'
          f'{fmt.broken_off(result["broken_episodes"])}')


def _finite(value: Optional[float]) -> Optional[float]:
  return value if value is not None and math.isfinite(value) else None
