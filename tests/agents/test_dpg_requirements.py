"""What Ape-X DPG refuses before a run."""

import subprocess
import sys

from acme import specs
import numpy as np
import pytest

from apex_tf import agents
from apex_tf import config as config_lib

INFINITE = np.inf


def _spec(actions, shape=(1, 4), dtype=np.float32):
  return specs.EnvironmentSpec(
      observations=specs.Array(shape, dtype),
      actions=actions,
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0.0, 1.0))


def _bounded(shape=(2,), minimum=-1.0, maximum=1.0):
  return specs.BoundedArray(shape, np.float32, minimum, maximum)


def _config(**environment):
  config = config_lib.Config()
  config.agent.name = 'dpg'
  for name, value in environment.items():
    setattr(config.environment, name, value)
  return config


@pytest.mark.parametrize('spec', [
    _spec(_bounded()), _spec(_bounded(())), _spec(_bounded((2, 2))),
    _spec(_bounded((2,), [-1.0, 0.0], [0.5, 1e6])),
    _spec(_bounded(), (4, 17)), _spec(_bounded(), (1, 1), np.uint8),
])
def test_what_suits_passes(spec):
  agents.check(_config(), spec)
  agents.make_agent(_config(), spec).make_evaluation_policy(1, 0)


@pytest.mark.parametrize('spec, allowed', [
    (_spec(specs.DiscreteArray(18)),
     'a task with continuous actions: DPG moves an action along a gradient, '
     'and an action here is one of 18'),
    (_spec(_bounded((2,), -INFINITE, INFINITE)),
     'a task with bounded actions: DPG squashes its actions into their '
     'bounds, and here they are -inf to inf'),
    (_spec(_bounded((2,), [-2.0, -INFINITE], [1.0, 3.0])),
     'a task with bounded actions: DPG squashes its actions into their '
     'bounds, and here they are -inf to 3.0'),
    (_spec(_bounded((2,), [-2.0, -4.0], [INFINITE, 3.0])),
     'a task with bounded actions: DPG squashes its actions into their '
     'bounds, and here they are -4.0 to inf'),
    (_spec(_bounded((0,))),
     'a task with actions: an action here is of shape (0,)'),
    (_spec(_bounded((2, 0))),
     'a task with actions: an action here is of shape (2, 0)'),
    (_spec(_bounded(), (4, 84, 84), np.uint8),
     'a task whose observations are vectors: the networks of DPG are fully '
     'connected, and a frame here is of shape (84, 84)'),
    (_spec(_bounded(), (1, 10, 10, 4), np.bool_),
     'a task whose observations are vectors: the networks of DPG are fully '
     'connected, and a frame here is of shape (10, 10, 4)'),
])
@pytest.mark.parametrize('environment, field', [
    (dict(id='Any-v0'), "environment.id is 'Any-v0'"),
    (dict(suite='control', id='reacher:easy'),
     "environment.id is 'reacher:easy'"),
    (dict(suite='atari', game='pong'), "environment.game is 'pong'"),
])
def test_what_does_not_suit_is_refused(spec, allowed, environment, field):
  for function in (agents.check, agents.make_agent):
    with pytest.raises(ValueError) as error:
      function(_config(**environment), spec)
    assert str(error.value) == f'{field}, but must be {allowed}'


def test_settings_of_the_other_agent_do_not_matter():
  config = _config()
  config.dqn.network = 'nature'
  agents.check(config, _spec(_bounded()))


@pytest.mark.parametrize('name', ['pendulum', 'cartpole'])
def test_tensorflow_is_not_needed_for_it(name):
  # A process of its own: this one has imported TensorFlow long ago.
  refused = name == 'cartpole'
  code = ('import sys\n'
          'from apex_tf import validation\n'
          f'from configs import {name} as preset\n'
          'config = preset.get_config()\n'
          'config.agent.name = "dpg"\n'
          'message = ""\n'
          'try:\n'
          '  validation.validate(config)\n'
          'except ValueError as error:\n'
          '  message = str(error)\n'
          f'assert ("continuous actions" in message) == {refused}, message\n'
          f'assert bool(message) == {refused}, message\n'
          'assert "tensorflow" not in sys.modules\n')
  subprocess.run([sys.executable, '-c', code], check=True)
