"""A torso of one's own, by dqn.network='module:function'."""

import dataclasses

from dm_env import specs
import numpy as np
import pytest

from apex_tf import agent_config
from apex_tf import config as config_lib
from apex_tf import networks

_MODULE = """
import sonnet as snt

def make_torso(rng):
  return snt.Linear(5, w_init=snt.initializers.Constant(rng.random()))

def make_nothing(rng):
  return None
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch) -> str:
  """The name of a module with torsos, which Python finds."""
  package = tmp_path / 'own_torsos'
  package.mkdir()
  (package / 'some_torsos.py').write_text(_MODULE)
  monkeypatch.syspath_prepend(str(tmp_path))
  return 'own_torsos.some_torsos'


def _build(network, seed=0):
  result = networks.make_q_network(
      agent_config.DQNConfig(network=network, dueling_hidden_size=4), 3, seed)
  networks.create_variables(result, specs.Array((2, 4), np.float32))
  return result


def test_own_torso_is_the_dueling_networks_torso(own_module):
  network = _build(f'{own_module}:make_torso')
  # The torso's 8 inputs (two frames of 4) to 5 features; then the streams.
  sizes = sorted(v.shape.num_elements() for v in network.trainable_variables)
  assert sizes == sorted([8 * 5, 5] + 2 * [5 * 4, 4] + [4, 1, 4 * 3, 3])
  observation = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
  assert network(observation).shape == (1, 3)


def test_own_torso_draws_from_the_generator_of_the_seed(own_module):
  first, again, other = (
      [v.numpy() for v in _build(f'{own_module}:make_torso', s).variables]
      for s in (1, 1, 2))
  for one, same, another in zip(first, again, other):
    np.testing.assert_array_equal(one, same)
    assert one.ndim == 1 or np.any(one != another)


@pytest.mark.parametrize('name, words', [
    ('own_torsos.some_torsos:make_nothing', 'Sonnet module, not None'),
    ('own_torsos.some_torsos:make_more', "no attribute 'make_more'"),
    ('own_torsos.no_such_module:make', "No module named 'own_torsos.no_such"),
])
def test_functions_that_make_no_torso(own_module, name, words):
  del own_module
  with pytest.raises(ValueError, match=f"dqn.network is '{name}'.*{words}"):
    _build(name)


@pytest.mark.parametrize('name', [
    'my_task:make_torso', 'examples.own_environment:make_torso', '_a.b1:_c'])
def test_form_is_accepted_before_anything_is_imported(name):
  config = config_lib.Config()
  config.dqn.network = name
  config.validate()


@pytest.mark.parametrize('name', [
    '', 'resnet', 'a:', ':b', 'a:b:c', 'a..b:c', 'a/b.py:c', 'a:b.c', '1a:b',
    'a: b', 'a:b\n'])
def test_other_forms_are_refused(name):
  config = config_lib.Config()
  config.dqn.network = name
  with pytest.raises(ValueError, match='dqn.network is .* one of mlp, nature,'
                     ' dqn2013, minatar, or module:function$'):
    config.validate()


def test_only_the_network_may_be_a_function():
  for section in dataclasses.fields(config_lib.Config):
    for field in dataclasses.fields(getattr(config_lib.Config(), section.name)):
      limits = field.metadata['limits']
      assert ('or_function' in limits) == (field.name == 'network')
