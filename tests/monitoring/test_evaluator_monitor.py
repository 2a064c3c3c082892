"""What an evaluator writes of an evaluation."""

import dataclasses

from apex_tf.monitoring import evaluator_monitor
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import status as status_lib

_EVALUATION = status_lib.Evaluation(
    learner_step=7, agent_steps=123, environment_frames=492, wall_seconds=50.0,
    returns=[2.0, -1.0, 5.0], complete=True, final=False, mean=2.0, std=2.4495,
    broken_episodes=3)


def test_by_hand():
  metrics = evaluator_monitor.metrics(_EVALUATION, 3.0)
  assert metrics.pop('resident_megabytes') > 0
  assert metrics == {
      'step': 7, 'evaluated_version': 7, 'evaluation_agent_steps': 123,
      'evaluation_return_mean': 2.0, 'evaluation_return_std': 2.4495,
      'evaluation_return_min': -1.0, 'evaluation_return_max': 5.0,
      'evaluation_episodes': 3, 'evaluation_seconds': 3.0,
      'broken_episodes': 3}


def test_they_are_the_metrics_of_that_role():
  metrics = evaluator_monitor.metrics(
      dataclasses.replace(_EVALUATION, human_normalized=12.5), 3.0)
  assert metrics['human_normalized_score'] == 12.5
  # The logger adds its own.
  assert metrics.keys() - {'step'} | {'failed_writes'} == {
      name for name, metric in metrics_lib.METRICS.items()
      if metric_table.EVALUATOR in metric.roles}
