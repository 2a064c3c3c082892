"""What Ape-X DPG can act in, told without TensorFlow."""

from acme import specs
import numpy as np

from apex_tf import config as config_lib
from apex_tf import environments


def check(config: config_lib.Config, spec: specs.EnvironmentSpec) -> None:
  """Checks actions and observations.

  Args:
    config: the experiment.
    spec: of one environment; observations are `<dtype>[stack, *frame]`.

  Raises:
    ValueError: actions that are discrete or without bounds, or observations
      that are not vectors.
  """
  actions, observations = spec.actions, spec.observations
  if isinstance(actions, specs.DiscreteArray):
    raise environments.task_error(
        config.environment, 'a task with continuous actions: DPG moves an '
        'action along a gradient, and an action here is one of '
        f'{actions.num_values}')
  if not (np.isfinite(actions.minimum).all() and
          np.isfinite(actions.maximum).all()):
    raise environments.task_error(
        config.environment, 'a task with bounded actions: DPG squashes its '
        'actions into their bounds, and here they are '
        f'{np.min(actions.minimum)} to {np.max(actions.maximum)}')
  if not np.prod(actions.shape, dtype=int):
    raise environments.task_error(
        config.environment, 'a task with actions: an action here is of shape '
        f'{actions.shape}')
  if len(observations.shape) != 2:
    raise environments.task_error(
        config.environment, 'a task whose observations are vectors: the '
        'networks of DPG are fully connected, and a frame here is of shape '
        f'{observations.shape[1:]}')
