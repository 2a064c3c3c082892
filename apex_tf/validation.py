"""All that can be refused before a run begins: nothing is started or written.

Neither TensorFlow nor Reverb is imported for it.
"""

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf import network_inputs


def validate(config: config_lib.Config) -> None:
  """Checks a configuration against itself and against its environment.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  config.validate()
  spec = environments.make_environment_spec(config.environment)
  if config.agent.name == 'dqn':
    environments.require_discrete_actions(spec, config.environment)
  if config.agent.network in network_inputs.MINIMUM_SIZES:
    network_inputs.check(
        config.agent.network,
        network_inputs.features_shape(spec.observations.shape))
