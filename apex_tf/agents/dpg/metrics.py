"""The metrics that only Ape-X DPG has."""

from typing import Tuple

from apex_tf.monitoring import metric_table


def _metric(name: str, role: str, unit: str, doc: str) -> metric_table.Metric:
  return metric_table.Metric(name, (role,), unit, doc, agent='dpg')


METRICS: Tuple[metric_table.Metric, ...] = (
    _metric('policy_q', metric_table.LEARNER, 'return',
            'Mean over the batch of the value of the action that the policy '
            'would take.'),
    _metric('policy_gradient_norm', metric_table.LEARNER, '1',
            'Global norm of the gradients of the policy.'),
    _metric('action_gradient_clipped', metric_table.LEARNER, '1',
            'Share of the elements of dq/da beyond their clip.'),
    _metric('action_saturation', metric_table.LEARNER, '1',
            'Share of the elements of the policy\'s actions in the outer 1% of '
            'their range, where its gradient vanishes.'),
    _metric('noise_scale', metric_table.ACTOR, '1',
            'Standard deviation of the exploration, in halves of the range '
            'between the bounds of an action.'),
)
