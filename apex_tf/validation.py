"""All that can be refused before a run begins: nothing is started or written.

Neither TensorFlow nor Reverb is imported for it.
"""

from acme import specs

from apex_tf import agents
from apex_tf import config as config_lib
from apex_tf import environments


def validate(config: config_lib.Config) -> specs.EnvironmentSpec:
  """Checks a configuration against itself, its environment and its agent.

  Returns:
    The specs of one environment.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  config.validate()
  spec = environments.make_environment_spec(config.environment)
  agents.check(config, spec)
  return spec
