"""What Ape-X DQN can act in, told without TensorFlow."""

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
    ValueError: actions that are not discrete, or an observation that
      agent.network does not take.
  """
  environments.require_discrete_actions(spec, config.environment)
  if config.agent.network in network_inputs.MINIMUM_SIZES:
    network_inputs.check(
        config.agent.network,
        network_inputs.features_shape(spec.observations.shape))
