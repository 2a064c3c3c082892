"""What Ape-X DQN can act in, told without TensorFlow."""

import importlib.util

from acme import specs

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf import network_inputs


def check(config: config_lib.Config, spec: specs.EnvironmentSpec) -> None:
  """Checks actions and observations.

  Args:
    config: the experiment.
    spec: of one environment; observations are `<dtype>[stack, *frame]`.

  Raises:
    ValueError: actions that are not discrete, an observation that
      dqn.network does not take, or a network of a module that is not there.
  """
  if not isinstance(spec.actions, specs.DiscreteArray):
    raise environments.task_error(
        config.environment, 'a task with discrete actions: DQN takes the best '
        'of a number of actions, and an action here is '
        f'{spec.actions.dtype}{list(spec.actions.shape)}')
  network = config.dqn.network
  if network in network_inputs.MINIMUM_SIZES:
    network_inputs.check(
        network, network_inputs.features_shape(spec.observations.shape))
  elif not _is_there(network.partition(':')[0]):
    raise ValueError(f'dqn.network is {network!r}, but must be a '
                     'module:function whose module Python finds from here')


def _is_there(module: str) -> bool:
  """Whether a module can be found; it is not imported, its packages are."""
  try:
    return importlib.util.find_spec(module) is not None
  except ImportError:
    return False
