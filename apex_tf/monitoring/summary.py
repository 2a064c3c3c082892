"""The result of a run: `summary.json`, and one sentence."""

import importlib.metadata
import math
import platform
from typing import Any, Dict, Mapping, Optional

import apex_tf
from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf.environments import protocol
from apex_tf.monitoring import status as status_lib

# Distributions whose versions a result depends on; absent ones are left out.
_DISTRIBUTIONS = (
    'tensorflow', 'tensorflow-cpu', 'dm-reverb', 'dm-acme', 'dm-launchpad',
    'dm-sonnet', 'numpy', 'gymnasium', 'ale-py', 'minatar', 'dm-control',
    'mujoco')


def summarize(status: status_lib.RunStatus, config: config_lib.Config,
              restarts: Optional[Dict[str, int]] = None) -> Dict[str, Any]:
  """The result of a run as strict JSON data.

  Args:
    status: of the run when it ended.
    config: of the run.
    restarts: of each role that was started again.

  Returns:
    What the keys say; what is not known or not finite is None. `final_*`,
    `evaluat*` and `human_normalized_score` are of the evaluation of the last
    published policy, or of the newest one where the run ended before it:
    `final_evaluation_complete` tells. `best_return_mean` is of those
    evaluations that finished all their episodes. Rates are averages: of the
    learner over `learning_seconds`, of the actors over `wall_seconds`.
    `protocol` is that of games, {} elsewhere.
  """
  is_final, evaluation = status_lib.final_evaluation(status)
  best = status_lib.best_evaluation(status.evaluations)
  learner_rate = _ratio(status.learner_steps, status.learning_seconds)
  summary = {
      'task': fmt.task_name(config),
      'agent': config.agent.name,
      'seed': config.run.seed,
      'protocol': protocol.describe(config),
      'stop_reason': status.stop_reason,
      'final_return_mean': evaluation.mean if evaluation else None,
      'final_return_std': evaluation.std if evaluation else None,
      'evaluation_episodes': len(evaluation.returns) if evaluation else 0,
      'evaluated_version': evaluation.learner_step if evaluation else None,
      'final_evaluation_complete': bool(is_final and evaluation.complete),
      'best_return_mean': best.mean if best else None,
      'human_normalized_score': (
          evaluation.human_normalized if evaluation else None),
      'learner_steps': status.learner_steps,
      'agent_steps': status.agent_steps,
      'environment_frames': status.environment_frames,
      'episodes': status.episodes,
      'broken_episodes': status.broken_episodes,
      'wall_seconds': status.wall_seconds,
      'learning_seconds': status.learning_seconds,
      'learner_steps_per_second': learner_rate,
      'samples_per_second': (
          None if learner_rate is None else
          learner_rate * config.learner.batch_size),
      'agent_steps_per_second': _ratio(status.agent_steps,
                                       status.wall_seconds),
      'frames_per_second': _ratio(status.environment_frames,
                                  status.wall_seconds),
      'restarts': restarts or {},
      'unsaved': list(status.unsaved),
      'versions': versions(),
  }
  return {key: _strict(value) for key, value in summary.items()}


def final_line(summary: Mapping[str, Any]) -> str:
  """The result as a sentence, without a full stop.

  Args:
    summary: as `summarize` returns it.
  """
  return (f'{summary["task"]}: {_result(summary)}, {_ending(summary)}'
          f'{fmt.broken_off(summary["broken_episodes"])}'
          f'{"".join(f"; {note}" for note in fmt.unsaved(summary["unsaved"]))}')


def versions() -> Dict[str, str]:
  """Versions of the interpreter, this package and what it stands on."""
  found = {'python': platform.python_version(),
           'apex_tf': apex_tf.__version__}
  for name in _DISTRIBUTIONS:
    try:
      found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return found


def _result(summary: Mapping[str, Any]) -> str:
  mean, std = summary['final_return_mean'], summary['final_return_std']
  if mean is None or std is None:
    return 'no evaluation'
  complete = summary['final_evaluation_complete']
  human = fmt.percent(summary['human_normalized_score'])
  return (f'{"final" if complete else "last"} return '
          f'{fmt.mean_and_std(mean, std)}'
          f'{f" ({human})" if human else ""} over '
          f'{fmt.episodes(summary["evaluation_episodes"])} '
          f'(policy of learner step {summary["evaluated_version"]}'
          f'{"" if complete else "; the final evaluation was not finished"})')


def _ending(summary: Mapping[str, Any]) -> str:
  reason = summary['stop_reason']
  after = f'after {fmt.duration(summary["wall_seconds"] or 0.0)}'
  if reason in (status_lib.INTERRUPTED, status_lib.FAILED):
    return f'{reason} {after}'
  return f'stopped by {reason} {after}' if reason else f'running {after}'


def _ratio(amount: float, seconds: float) -> Optional[float]:
  return amount / seconds if seconds > 0.0 else None


def _strict(value: Any) -> Any:
  """None in place of a number that strict JSON cannot hold."""
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
