"""Simulators that leave the numbers: what comes out, and what replay gets."""

from typing import Any, Dict, List, Tuple

from absl import logging
from acme import specs
import dm_env
import gymnasium
import numpy as np
import pytest
import reverb

from apex_tf import config as config_lib
from apex_tf.environments.control import ControlEnvironment
from apex_tf.environments.gymnasium_vector import GymnasiumVectorEnvironment
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import layout
from tests import scripted_environment
from tests import transition_oracle

FIRST, MID, LAST = dm_env.StepType
Episode = scripted_environment.Episode


class _Fragile(gymnasium.Env):
  """Shows (number of the episode, its step); breaks where it is told to."""

  action_space = gymnasium.spaces.Discrete(2)
  observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,))

  def __init__(self, faults: Dict[Tuple[int, int], str], length: int = 4):
    """faults: by (episode, step), "observation" or a reward."""
    self._faults = faults
    self._length = length
    self._episode = self._step = 0

  def reset(self, *, seed: Any = None, options: Any = None) -> Any:
    self._episode += 1
    self._step = 0
    return self._observe(), {}

  def step(self, action: Any) -> Any:
    self._step += 1
    fault = self._faults.get((self._episode, self._step), '1')
    reward = 1.0 if fault == 'observation' else float(fault)
    return (self._observe(), reward, self._step == self._length, False, {})

  def _observe(self) -> np.ndarray:
    result = np.array([self._episode, self._step], np.float32)
    if self._faults.get((self._episode, self._step)) == 'observation':
      result[1] = -np.inf
    return result


def _make(faults: List[Dict[Tuple[int, int], str]],
          num_stacked: int = 1) -> GymnasiumVectorEnvironment:
  remaining = iter(faults)
  return GymnasiumVectorEnvironment(
      lambda: _Fragile(next(remaining)), len(faults), 0, num_stacked)


@pytest.mark.parametrize('fault', ['observation', 'nan', 'inf', '-inf', '1e39'])
@pytest.mark.filterwarnings('ignore:overflow')
def test_an_environment_that_breaks_begins_anew(fault: str) -> None:
  # One breaks within an episode, one at its end; the third does not.
  environment = _make([{(1, 2): fault}, {(1, 4): fault}, {}], num_stacked=2)
  timesteps = [environment.reset()]
  counts = []
  for _ in range(8):
    timesteps.append(environment.step(np.zeros(3, np.int32)))
    counts.append(environment.num_broken_episodes)
  played = [[(int(t.step_type[i]), *t.observation[i, -1].astype(int))
             for t in timesteps] for i in range(3)]
  whole = [(FIRST, 1, 0), (MID, 1, 1), (MID, 1, 2), (MID, 1, 3), (LAST, 1, 4),
           (FIRST, 2, 0), (MID, 2, 1), (MID, 2, 2), (MID, 2, 3)]
  assert played[0] == [
      (FIRST, 1, 0), (MID, 1, 1), (FIRST, 2, 0), (MID, 2, 1), (MID, 2, 2),
      (MID, 2, 3), (LAST, 2, 4), (FIRST, 3, 0), (MID, 3, 1)]
  assert played[1] == [
      (FIRST, 1, 0), (MID, 1, 1), (MID, 1, 2), (MID, 1, 3), (FIRST, 2, 0),
      (MID, 2, 1), (MID, 2, 2), (MID, 2, 3), (LAST, 2, 4)]
  assert played[2] == whole
  assert counts == [0, 1, 1, 2, 2, 2, 2, 2]
  for time, timestep in enumerate(timesteps):
    is_first = timestep.step_type == FIRST
    np.testing.assert_array_equal(timestep.reward, np.where(is_first, 0, 1))
    np.testing.assert_array_equal(
        timestep.discount, np.where(timestep.step_type == LAST, 0, 1))
    assert (timestep.observation[is_first, 0] == 0).all()
    for index in np.flatnonzero(~is_first):
      np.testing.assert_array_equal(timestep.observation[index, 0],
                                    timesteps[time - 1].observation[index, 1])
    assert timestep.step_type.dtype == np.int32
    assert timestep.reward.dtype == timestep.discount.dtype == np.float32


def test_an_environment_may_break_in_its_first_step() -> None:
  environment = _make([{(1, 1): 'nan', (2, 1): 'observation'}])
  environment.reset()
  types = [int(environment.step(np.zeros(1, np.int32)).step_type[0])
           for _ in range(4)]
  assert types == [FIRST, FIRST, MID, MID]
  assert environment.num_broken_episodes == 2


@pytest.mark.parametrize('faults, calls', [
    ({(1, 0): 'observation'}, 0),  # The first reset of all,
    ({(2, 0): 'observation'}, 5),  # that after an episode,
    ({(1, 2): 'nan', (2, 0): 'observation'}, 2),  # that after another fault.
])
def test_an_episode_that_is_broken_from_its_start(
    faults: Dict[Tuple[int, int], str], calls: int) -> None:
  environment = _make([{}, faults])
  action = np.zeros(2, np.int32)
  for _ in range(calls):
    environment.step(action)
  with pytest.raises(RuntimeError) as error:
    environment.step(action)
  assert str(error.value) == (
      '_Fragile: environment 1 cannot begin an episode, because its '
      'observation is -inf in element 1 (1 of 2 are not finite)')


def test_the_log_has_the_first_and_then_ever_fewer(
    monkeypatch: pytest.MonkeyPatch) -> None:
  lines: List[str] = []
  monkeypatch.setattr(logging, 'warning',
                      lambda text, *values: lines.append(text % values))
  environment = _make(
      [{(n, 1): 'nan' if n % 2 else 'observation' for n in range(1, 20)}])
  for _ in range(21):
    environment.step(np.zeros(1, np.int32))
  assert environment.num_broken_episodes == 19
  assert lines[:2] == [
      '_Fragile: environment 0 begins anew, because its reward is nan; broken '
      'episodes in this process until now: 1',
      '_Fragile: environment 0 begins anew, because its observation is -inf in '
      'element 1 (1 of 2 are not finite); broken episodes in this process '
      'until now: 2']
  assert [line.rsplit(' ', 1)[1] for line in lines] == ['1', '2', '4', '8',
                                                        '16']


def test_images_need_no_check_but_their_rewards_do() -> None:
  class Image(_Fragile):
    observation_space = gymnasium.spaces.Box(0, 255, (1, 2), np.uint8)

    def _observe(self) -> np.ndarray:
      return super()._observe()[np.newaxis].astype(np.uint8)

  environment = GymnasiumVectorEnvironment(
      lambda: Image({(1, 2): 'nan'}), 1, 0)
  assert environment.reset().observation.dtype == np.uint8
  types = [int(environment.step(np.zeros(1, np.int32)).step_type[0])
           for _ in range(3)]
  assert types == [MID, FIRST, MID]


def test_physics_that_diverges() -> None:
  environment = ControlEnvironment('walker', 'walk', 3, 0, 2, 10)
  action = np.zeros((3, 6), np.float32)
  untouched = ControlEnvironment('walker', 'walk', 3, 0, 2, 10)
  environment.reset(), untouched.reset()
  for _ in range(4):
    environment.step(action), untouched.step(action)
  # dm_control raises a PhysicsError at the next step.
  environment._environments[1].physics.data.qvel[:] = 1e30
  types = []
  for time in range(11):
    timestep, expected = environment.step(action), untouched.step(action)
    types.append(int(timestep.step_type[1]))
    assert np.isfinite(timestep.observation).all()
    assert np.isfinite(timestep.reward).all()
    assert (timestep.observation[1, 0] == 0).all() == (types[-1] == FIRST)
    for index in (0, 2):
      np.testing.assert_array_equal(timestep.observation[index],
                                    expected.observation[index])
      assert timestep.step_type[index] == expected.step_type[index]
    assert environment.num_broken_episodes == 1, time
  assert types == [FIRST, *[MID] * 9, LAST]


def test_physics_that_cannot_begin() -> None:
  environment = ControlEnvironment('walker', 'walk', 2, 0)
  environment.reset()
  # A model that is no good any more, as far as its resets are concerned.
  environment._environments[1].physics.model.qpos0[:] = np.nan
  with pytest.raises(RuntimeError) as error:
    environment.reset()
  assert str(error.value).startswith(
      'walker:walk: environment 1 cannot begin an episode, because its '
      'observation is nan in element ')


def _play(environment: Any, client: reverb.Client, n_step: int,
          num_calls: int) -> List[transition_oracle.Stored]:
  """What one environment's steps become; the action counts the calls."""
  adder = adder_lib.NStepAdder(
      client, 1, 1, n_step, 0.5, 0.0, config_lib.ReplayConfig(), 5)
  adder.add_first(environment.reset())
  for number in range(num_calls):
    action = np.array([number], np.int32)
    adder.add(action, environment.step(action % 2), adder_lib.PolicyExtras(
        np.zeros(1, np.float32), np.full(1, 16.0, np.float32), number))
  adder.reset()
  adder.close()
  assert adder.statistics.items_refused == 0
  size = client.server_info(timeout=10)[layout.TABLE].current_size
  return transition_oracle.sample(client, size)


def _table(signature: Any) -> reverb.Table:
  return reverb.Table(
      layout.TABLE, reverb.selectors.Fifo(), reverb.selectors.Fifo(), 1000,
      reverb.rate_limiters.MinSize(1), max_times_sampled=1,
      signature=signature)


def test_replay_never_sees_it_and_the_episode_ends_as_a_truncation(
    serve: Any) -> None:
  """By hand: 2-step transitions, discount 0.5, rewards of 1."""
  environment = _make([{(1, 3): 'observation'}])
  client = serve([_table(layout.make_signature(
      specs.make_environment_spec(environment)))]).localhost_client()
  # (1, 0) (1, 1) (1, 2) broken: (2, 0) (2, 1) (2, 2) (2, 3) (2, 4) (3, 0).
  stored = _play(environment, client, 2, 8)
  assert [(*s.observation_tm1[0], *s.observation_t[0], s.action,
           s.n_step_return, s.bootstrap_discount) for s in stored] == [
               (1, 0, 1, 2, 0, 1.5, 0.25),
               (1, 1, 1, 2, 1, 1.0, 0.5),  # Bootstraps from its last state.
               (2, 0, 2, 2, 3, 1.5, 0.25),
               (2, 1, 2, 3, 4, 1.5, 0.25),
               (2, 2, 2, 4, 5, 1.5, 0.0),
               (2, 3, 2, 4, 6, 1.0, 0.0)]


@pytest.mark.parametrize('n_step', [1, 3, 5])
def test_replay_against_brute_force(serve: Any, n_step: int) -> None:
  """Episodes of all lengths that break, among others that do not."""
  episodes = [[Episode((1.0, -0.5) * 3, breaks=True), Episode((2.0,)),
               Episode((0.25,) * 4, terminates=False)],
              [Episode((1.0,), breaks=True), Episode((3.0,) * 2, breaks=True)],
              [Episode((0.5,) * 7, life_losses=(2,), breaks=True)]]
  script = scripted_environment.Script(episodes, num_stacked=2)
  environment = scripted_environment.ScriptedEnvironment(script)
  client = serve([_table(layout.make_signature(
      environment.spec()))]).localhost_client()
  adder = transition_oracle.make_adder(client, script, n_step)
  calls = transition_oracle.play(environment, adder, 60)
  adder.reset()
  expected = transition_oracle.expected_items(script, calls, n_step, 0.99, 0.0)
  size = client.server_info(timeout=10)[layout.TABLE].current_size
  stored = transition_oracle.sample(client, size)
  stored.sort(key=lambda one: one.place)
  assert len(stored) == len(expected) > 100
  for one, item in zip(stored, expected):
    transition_oracle.assert_equal(one, item)
  broken = environment.num_broken_episodes
  assert broken == _count_breaks(script, calls) > 20
  adder.close()


def _count_breaks(script: scripted_environment.Script,
                  calls: transition_oracle.Calls) -> int:
  """Broken episodes whose last state was acted in."""
  return sum(
      script.episode(environment, number).breaks and
      script.episode(environment, number).length == time
      for environment, number, time in calls)
