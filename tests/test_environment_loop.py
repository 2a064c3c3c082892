"""The loop's counts, of environments that end at different times."""

from acme import core
import dm_env
import numpy as np
import pytest

from apex_tf import environment_loop
from tests import scripted_environment

Episode = scripted_environment.Episode


class _RecordingActor(core.Actor):
  """Acts with the number of the call, and keeps what it is told."""

  def __init__(self):
    self.events = []

  def select_action(self, observation):
    self.events.append(('select_action', observation))
    calls = sum(name == 'select_action' for name, _ in self.events)
    return np.full(len(observation), calls, np.int32)

  def observe_first(self, timestep):
    self.events.append(('observe_first', timestep))

  def observe(self, action, next_timestep):
    self.events.append(('observe', (action, next_timestep)))

  def update(self, wait=False):
    self.events.append(('update', None))


_EPISODES = [
    [Episode((1.0, -3.0, 0.25)), Episode((0.5,), terminates=False)],
    [Episode((2.0, 2.0), life_losses=(0,))],
    [Episode((1.0,) * 100)],
]


def _make(reward_clip=0.0, frames_per_agent_step=1, num_stacked=1):
  environment = scripted_environment.ScriptedEnvironment(
      scripted_environment.Script(_EPISODES, num_stacked),
      frames_per_agent_step=frames_per_agent_step)
  actor = _RecordingActor()
  return environment, actor, environment_loop.EnvironmentLoop(
      environment, actor, reward_clip)


@pytest.mark.parametrize('clip, clipped', [
    (0.0, [-1.75, 0.5, 4.0]), (1.0, [0.25, 0.5, 2.0])])
def test_episodes_by_hand(clip, clipped):
  _, _, loop = _make(clip)
  first, second, other = clipped
  E = environment_loop.Episode
  # The first plays 3 steps, resets, plays 1, resets; the second 2, resets.
  expected = [
      [], [E(1, 4.0, other, 2)], [E(0, -1.75, first, 3)], [],
      [E(0, 0.5, second, 1), E(1, 4.0, other, 2)], [],
      [], [E(1, 4.0, other, 2)], [E(0, -1.75, first, 3)],
  ]
  assert [loop.step() for _ in expected] == expected


def test_reset_steps_are_not_agent_steps():
  _, _, loop = _make(frames_per_agent_step=4)
  counts = []
  for _ in range(7):
    loop.step()
    counts.append(loop.agent_steps)
  # Resets: the second at calls 3 and 6, the first at calls 4 and 6.
  assert counts == [3, 6, 8, 10, 13, 14, 17]
  assert loop.environment_frames == 68


def test_an_episode_that_broke_is_not_reported_nor_added_to_the_next():
  environment = scripted_environment.ScriptedEnvironment(
      scripted_environment.Script([
          [Episode((5.0, 7.0), breaks=True), Episode((0.5, -3.0))],
          [Episode((1.0, 1.0, 1.0))]]))
  loop = environment_loop.EnvironmentLoop(environment, _RecordingActor(), 2.0)
  E = environment_loop.Episode
  # The first: two steps, FIRST, two steps, FIRST, two steps, FIRST.
  expected = [[], [], [E(1, 3.0, 3.0, 3)], [],
              [E(0, -2.5, -1.5, 2)], [], [E(1, 3.0, 3.0, 3)], [], []]
  counts = []
  for episodes in expected:
    assert loop.step() == episodes
    counts.append((loop.agent_steps, loop.broken_episodes))
  assert counts == [(2, 0), (4, 0), (5, 1), (6, 1), (8, 1), (9, 1), (11, 1),
                    (12, 1), (13, 2)]


def test_the_returns_are_raw_sums_of_a_long_episode():
  _, _, loop = _make(0.5)
  episodes = [e for _ in range(100) for e in loop.step()]
  assert episodes[-1] == environment_loop.Episode(2, 100.0, 50.0, 100)


def test_the_actor_sees_every_step_once_and_in_order():
  environment, actor, loop = _make(num_stacked=2)
  for _ in range(4):
    loop.step()
  names = [name for name, _ in actor.events]
  assert names == ['observe_first'] + [
      'select_action', 'update', 'observe'] * 4
  timestep = actor.events[0][1]
  assert (timestep.step_type == dm_env.StepType.FIRST).all()
  # Each action is for the observation before it, the first one included.
  for call in range(4):
    _, observation = actor.events[1 + 3 * call]
    assert observation is timestep.observation
    _, (action, timestep) = actor.events[3 + 3 * call]
    assert action.tolist() == [call + 1] * 3
    assert environment.actions[call] is action
