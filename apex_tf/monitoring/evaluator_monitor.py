"""What an evaluator says of itself."""

from typing import Dict

from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import status as status_lib


def metrics(evaluation: status_lib.Evaluation,
            seconds: float) -> Dict[str, float]:
  """Of an evaluation that took `seconds`; see the metrics table."""
  result: Dict[str, float] = {
      'step': evaluation.learner_step,
      'evaluated_version': evaluation.learner_step,
      'evaluation_agent_steps': evaluation.agent_steps,
      'evaluation_return_mean': evaluation.mean,
      'evaluation_return_std': evaluation.std,
      'evaluation_return_min': min(evaluation.returns),
      'evaluation_return_max': max(evaluation.returns),
      'evaluation_episodes': len(evaluation.returns),
      'evaluation_seconds': seconds,
      'broken_episodes': evaluation.broken_episodes,
      'resident_megabytes': metrics_lib.resident_megabytes(),
  }
  if evaluation.human_normalized is not None:
    result['human_normalized_score'] = evaluation.human_normalized
  return result
