"""What Ape-X DQN refuses before a run."""

import subprocess
import sys

from acme import specs
import numpy as np
import pytest

from apex_tf import agents
from apex_tf import config as config_lib


def _spec(shape=(1, 4), actions=None):
  return specs.EnvironmentSpec(
      observations=specs.Array(shape, np.float32),
      actions=actions or specs.DiscreteArray(2),
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0.0, 1.0))


def _config(network='mlp'):
  config = config_lib.Config()
  config.dqn.network = network
  return config


@pytest.mark.parametrize('network', ['mlp', 'examples.own_environment:any'])
def test_what_suits_passes(network):
  agents.check(_config(network), _spec())


@pytest.mark.parametrize('network', ['no_such:make', 'apex_tf.no_such:make',
                                     'no.such.module:make'])
def test_a_module_that_is_not_there(network):
  with pytest.raises(ValueError, match=f"dqn.network is '{network}', but "
                     'must be a module:function whose module Python finds'):
    agents.check(_config(network), _spec())


def test_an_observation_that_the_network_does_not_take():
  with pytest.raises(ValueError, match="dqn.network is 'nature'.*mlp"):
    agents.check(_config('nature'), _spec())


def test_actions_that_are_not_discrete():
  actions = specs.BoundedArray((2,), np.float32, -1.0, 1.0)
  with pytest.raises(ValueError) as error:
    agents.check(_config(), _spec(actions=actions))
  assert str(error.value) == (
      "environment.id is 'CartPole-v1', but must be a task with discrete "
      'actions: DQN takes the best of a number of actions, and an action here '
      'is float32[2]')


def test_an_unknown_agent():
  config = _config()
  config.agent.name = 'sarsa'
  with pytest.raises(ValueError, match="agent.name is 'sarsa'.*one of dqn"):
    agents.check(config, _spec())


def test_tensorflow_is_not_needed_for_it():
  # A process of its own: this one has imported TensorFlow long ago.
  code = ('import sys\n'
          'from apex_tf import validation\n'
          'from configs import cartpole\n'
          'validation.validate(cartpole.get_config())\n'
          'assert "tensorflow" not in sys.modules\n')
  subprocess.run([sys.executable, '-c', code], check=True)
