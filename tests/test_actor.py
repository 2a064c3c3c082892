"""The actor: whose values, and whose version, go with a transition."""

import numpy as np
import pytest
import tensorflow as tf

from apex_tf import actor as actor_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf import types
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

Episode = scripted_environment.Episode

_SCRIPT = scripted_environment.Script(
    [[Episode((1.0, 0.5, -1.0, 2.0), terminates=False), Episode((1.0, 1.0))],
     [Episode((3.0,) * 7, life_losses=(2,))]], num_stacked=2)


class _Policy(agents.Policy):
  """Its one variable is its version; its values follow from that and what it
  sees, and it keeps all that it said."""

  def __init__(self):
    self.version = tf.Variable(-1.0)
    self.calls = {}

  @property
  def variables(self):
    return [self.version]

  def __call__(self, observation):
    version = float(self.version.numpy())
    places = [scripted_environment.where(stack[-1]) for stack in observation]
    times = np.array([time for _, _, time in places])
    output = types.PolicyOutput(
        action=((len(self.calls) + times) % 100).astype(np.int32),
        action_value=(version - times).astype(np.float32),
        bootstrap_value=(version + times / 4).astype(np.float32))
    for index, place in enumerate(places):
      self.calls[place] = transition_oracle.Call(
          int(output.action[index]), float(output.action_value[index]),
          float(output.bootstrap_value[index]), int(version))
    return output


def _make(adder=None, update_period=1):
  """Environment, policy, publisher, its variable, actor, and the loop."""
  learned = tf.Variable(0.0)
  publisher = variables_lib.VariablePublisher([learned])
  policy = _Policy()
  client = variables_lib.VariableClient(
      publisher, policy.variables, update_period, asynchronous=False)
  client.update_now()
  environment = scripted_environment.ScriptedEnvironment(_SCRIPT)
  actor = actor_lib.Actor(policy, client, adder)
  loop = environment_loop.EnvironmentLoop(environment, actor)
  return environment, policy, publisher, learned, actor, loop


def test_acts_without_an_adder():
  environment, policy, _, _, _, loop = _make()
  for _ in range(12):
    loop.step()
  # 24 calls less those on last states, whose actions count for nothing.
  assert len(policy.calls) == 24
  assert loop.agent_steps == 24 - 2 - 1
  assert len(environment.actions) == 12
  for call, action in enumerate(environment.actions):
    assert action.dtype == np.int32
    assert action[0] >= 2 * call  # The policy's own, of that very call.


@pytest.mark.parametrize('n_step, update_period', [(1, 1), (3, 1), (3, 4)])
def test_transitions_carry_the_values_and_version_that_acted(
    serve, n_step, update_period):
  spec = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()
  server = serve(tables.make_tables(
      config_lib.ReplayConfig(capacity=1000, min_size=1,
                              priority_exponent=0.0), spec))
  client = server.localhost_client()
  adder = transition_oracle.make_adder(client, _SCRIPT, n_step)
  _, policy, publisher, learned, actor, loop = _make(adder, update_period)
  for number in range(1, 31):
    # A new version at each step, there before the environment's step ends.
    learned.assign(5.0 * number)
    publisher.publish(5 * number)
    loop.step()
  actor.update()  # The last step is written while the next one is made.
  adder.reset()
  expected = {item.place: item for item in transition_oracle.expected_items(
      _SCRIPT, policy.calls, n_step, 0.99, 0.0)}
  versions = {item.learner_step for item in expected.values()}
  assert len(versions) > 20 // update_period
  found = {}
  for _ in range(100):
    for stored in transition_oracle.sample(client, 200):
      found[stored.place] = stored
    if len(found) == len(expected):
      break
  assert found.keys() == expected.keys()
  for place, stored in found.items():
    transition_oracle.assert_equal(stored, expected[place])
    assert stored.info.priority == pytest.approx(
        max(expected[place].priority, 1e-6), rel=1e-5, abs=1e-4)
    assert stored.learner_step % (5 * update_period) == 0
  adder.close()


class _Adder:
  """Keeps the actions and values that it is given."""

  def __init__(self):
    self.added = []

  def add_first(self, timestep):
    del timestep
    if self.added:
      self.added.append('first')

  def add(self, action, next_timestep, extras):
    self.added.append((
        action.tolist(), next_timestep.step_type.tolist(),
        extras.action_value.tolist()))


@pytest.mark.parametrize('updates', [True, False])
def test_in_acmes_order_every_step_is_added(updates):
  """Acme's loop updates after it observes; another may update seldom."""
  adder = _Adder()
  environment, _, _, _, actor, _ = _make(adder)
  timestep = environment.reset()
  actor.observe_first(timestep)
  expected = []
  for _ in range(5):
    action = actor.select_action(timestep.observation)
    # The policy's: its version less the time of each environment's frame.
    times = [scripted_environment.where(stack[-1])[2]
             for stack in timestep.observation]
    timestep = environment.step(action)
    actor.observe(action, timestep)
    if updates:
      actor.update()
    expected.append((action.tolist(), timestep.step_type.tolist(),
                     [0.0 - time for time in times]))
  # Nor is the last lost, nor given to the next episode, where all begin anew.
  actor.observe_first(environment.reset())
  assert adder.added[:-1] == expected
  assert adder.added[-1] == 'first'
  actor.update()
  assert len(adder.added) == 6
