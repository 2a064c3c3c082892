import os
import time
from typing import Any, List, Tuple

from acme import specs
import dm_env
import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf.environments import atari
from apex_tf.environments.atari import AtariEnvironment
from tests.environments import emulator

FIRST, MID, LAST = dm_env.StepType


def _config(**overrides: Any) -> config_lib.EnvironmentConfig:
  return config_lib.EnvironmentConfig(**{
      'suite': 'atari', 'game': 'breakout', 'num_frames_stacked': 4,
      **overrides})


def _random_actions(num_steps: int, num_environments: int,
                    num_actions: int = 18) -> np.ndarray:
  return np.random.default_rng(0).integers(
      0, num_actions, (num_steps, num_environments), np.int32)


def _steps(environment: AtariEnvironment,
           actions: np.ndarray) -> List[dm_env.TimeStep]:
  timesteps = [environment.reset()]
  timesteps.extend(environment.step(row) for row in actions)
  environment.close()
  return timesteps


@pytest.mark.parametrize('game, sticky, max_steps, num_steps, end, reward', [
    ('freeway', 0.0, 60, 200, (LAST, 1.0), 0),  # Truncations.
    ('breakout', 0.25, 10**6, 400, (LAST, 0.0), 1),  # Game overs.
    ('ms_pacman', 0.25, 110, 110, (LAST, 1.0), 10),  # Rewards above 1.
])
def test_equals_a_single_emulator(
    game: str, sticky: float, max_steps: int, num_steps: int,
    end: Tuple[int, float], reward: int) -> None:
  num_environments, seed = 2, 3
  actions = _random_actions(num_steps, num_environments)
  timesteps = _steps(
      AtariEnvironment(
          game, num_environments, seed, max_steps,
          repeat_action_probability=sticky, max_noops=0), actions)

  for index in range(num_environments):
    single = emulator.Emulator(game, seed + index, sticky)
    stack: List[np.ndarray] = []
    largest = 0
    for timestep, expected in zip(
        timesteps, single.play(actions[:, index], max_steps)):
      assert timestep.step_type[index] == expected.step_type
      assert timestep.reward[index] == expected.reward
      assert timestep.discount[index] == expected.discount
      largest = max(largest, expected.reward)
      frame = timestep.observation[index, -1]
      if expected.discount == 1.0:
        # ALE resizes in single precision, and rounds a half the other way.
        np.testing.assert_allclose(frame, expected.frame, atol=0.51)
      if expected.step_type == FIRST:
        stack = [np.zeros((84, 84), np.uint8)] * 4
      stack = [*stack[1:], frame]
      np.testing.assert_array_equal(timestep.observation[index], stack)
    assert largest >= reward
  seen = {(int(t), float(d)) for timestep in timesteps
          for t, d in zip(timestep.step_type, timestep.discount)}
  assert seen == {(FIRST, 1.0), (MID, 1.0), end}


def test_a_life_loss_has_discount_0_and_the_game_goes_on() -> None:
  actions = _random_actions(500, 2)
  training = _steps(atari.make(_config(), 2, 0, evaluation=False), actions)
  playing = _steps(atari.make(_config(), 2, 0, evaluation=True), actions)

  for index in range(2):
    losses = 0
    for before, now, same in zip(training, training[1:], playing[1:]):
      # The signal changes nothing but the discount.
      assert now.step_type[index] == same.step_type[index]
      assert now.reward[index] == same.reward[index]
      np.testing.assert_array_equal(now.observation[index],
                                    same.observation[index])
      if now.step_type[index] != FIRST:
        np.testing.assert_array_equal(now.observation[index, :-1],
                                      before.observation[index, 1:])
      if now.step_type[index] == MID:
        assert same.discount[index] == 1.0
        losses += now.discount[index] == 0.0
      if now.step_type[index] == LAST:
        # A game of five lives; the last one lost is the game over.
        assert losses == 4
        assert now.discount[index] == same.discount[index] == 0.0
        losses = 0
    assert any(timestep.step_type[index] == LAST for timestep in training)


def test_a_life_lost_at_a_truncation_counts() -> None:
  actions = _random_actions(120, 1)
  free = _steps(AtariEnvironment(
      'breakout', 1, 0, 10**6, zero_discount_on_life_loss=True), actions)
  step = next(i for i, t in enumerate(free) if t.discount[0] == 0.0)
  assert free[step].step_type[0] == MID
  for limit, discount in ((step, 0.0), (step + 1, 1.0)):
    cut = _steps(AtariEnvironment(
        'breakout', 1, 0, limit, zero_discount_on_life_loss=True), actions)
    assert cut[limit].step_type[0] == LAST
    assert cut[limit].discount[0] == discount
    np.testing.assert_array_equal(cut[limit].observation,
                                  free[limit].observation)
    assert cut[limit + 1].step_type[0] == FIRST
    assert (cut[limit + 1].observation[0, :3] == 0).all()
    assert (cut[limit + 2].observation[0, :2] == 0).all()
    # A new episode has all of its lives, and none is lost at its start.
    assert cut[limit + 1].discount[0] == cut[limit + 2].discount[0] == 1.0


def test_environments_are_truncated_each_on_its_own() -> None:
  # The game over of one environment shifts its truncations against the other.
  limit = 150
  timesteps = _steps(
      AtariEnvironment('breakout', 2, 0, limit, max_noops=0),
      _random_actions(700, 2))
  starts = [0, 0]
  ends = set()
  for time_index, timestep in enumerate(timesteps):
    for index in range(2):
      if timestep.step_type[index] == FIRST:
        starts[index] = time_index
        assert (timestep.observation[index, :3] == 0).all()
      else:
        np.testing.assert_array_equal(
            timestep.observation[index, :-1],
            timesteps[time_index - 1].observation[index, 1:])
      length = time_index - starts[index]
      truncated = (timestep.step_type[index] == LAST and
                   timestep.discount[index] == 1.0)
      assert truncated == (length == limit and timestep.discount[index] == 1.0)
      assert length <= limit
      if timestep.step_type[index] == LAST:
        ends.add((index, time_index, truncated))
  assert {truncated for _, _, truncated in ends} == {True, False}


@pytest.mark.parametrize('overrides, evaluation, max_steps', [
    ({'max_episode_frames': 80}, False, 20),
    ({'max_episode_frames': 80}, True, None),
    ({'max_episode_frames': 81}, False, 21),
    ({'evaluation_max_episode_frames': 40}, False, None),
    ({'evaluation_max_episode_frames': 40}, True, 10),
    ({'max_episode_steps': 9, 'max_episode_frames': 80}, False, 9),
    ({'max_episode_steps': 9, 'evaluation_max_episode_frames': 80}, True, 9),
    ({'max_episode_steps': 25, 'max_episode_frames': 80}, False, 20),
    ({'max_episode_frames': 80, 'atari_protocol': 'machado2018'}, False, 20),
])
def test_limits(overrides: Any, evaluation: bool, max_steps: Any) -> None:
  # No-ops before the episode do not count.
  timesteps = _steps(
      atari.make(_config(game='pong', **overrides), 2, 0, evaluation),
      np.zeros((30, 2), np.int32))
  for index in range(2):
    last = [i for i, t in enumerate(timesteps) if t.step_type[index] == LAST]
    assert last[:1] == ([] if max_steps is None else [max_steps])


def _count_noops(config: config_lib.EnvironmentConfig, evaluation: bool,
                 resets: int) -> List[int]:
  """The number of no-ops that each episode of freeway has begun with.

  Its first frames all differ.
  """
  candidates = emulator.Emulator(config.game, 0, 0.0).frames_of_noops(40)
  environment = atari.make(config, 8, 0, evaluation)
  result = []
  for _ in range(resets):
    for frame in environment.reset().observation[:, -1]:
      distances = [np.abs(frame - other).max() for other in candidates]
      result.append(int(np.argmin(distances)))
      assert min(distances) <= 0.51
  environment.close()
  return result


@pytest.mark.parametrize('evaluation', [False, True])
def test_apex_starts_with_up_to_30_noops(evaluation: bool) -> None:
  counts = _count_noops(_config(game='freeway'), evaluation, 40)
  assert set(counts) == set(range(31))


def test_machado_starts_without_noops_and_repeats_actions() -> None:
  config = _config(game='freeway', atari_protocol='machado2018')
  assert set(_count_noops(config, False, 5)) == {0}
  # Where no action sticks, same actions give the same play whatever the seed.
  actions = np.tile(_random_actions(60, 1), 3)
  observation = _steps(atari.make(config, 3, 0, False), actions)[-1].observation
  assert (observation[0] != observation[1]).any()
  fixed = _steps(AtariEnvironment('freeway', 3, 0, 10**6, max_noops=0),
                 actions)[-1].observation
  assert (fixed == fixed[:1]).all()


def test_machado_has_no_signal_of_a_life_loss() -> None:
  timesteps = _steps(
      atari.make(_config(atari_protocol='machado2018'), 2, 0, False),
      _random_actions(300, 2))
  for timestep in timesteps:
    assert (timestep.discount[timestep.step_type == MID] == 1.0).all()
  assert any((timestep.step_type == LAST).any() for timestep in timesteps)


def test_seeds() -> None:
  actions = np.tile(_random_actions(40, 1), 3)
  def play(num_environments: int, seed: int,
           num_threads: int) -> Tuple[np.ndarray, np.ndarray]:
    timesteps = _steps(
        AtariEnvironment('pong', num_environments, seed, 15,
                         repeat_action_probability=0.25,
                         num_threads=num_threads),
        actions[:, :num_environments])
    return (np.array([t.observation for t in timesteps]),
            np.array([t.reward for t in timesteps]))
  one, two, alone = play(3, 7, 1), play(3, 7, 2), play(1, 8, 1)
  for first, second, third in zip(one, two, alone):
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[:, 1:2], third)
  assert (one[0][:, 0] != one[0][:, 1]).any()
  # The largest seed there is, and the one after it.
  play(2, 2**31 - 1, 1)


def test_types_and_specs() -> None:
  for full, num_actions in ((True, 18), (False, 6)):
    config = _config(game='pong', full_action_set=full, num_frames_stacked=3)
    environment = atari.make(config, 2, 0, evaluation=False)
    spec = atari.make_spec(config)
    assert repr(spec) == repr(specs.make_environment_spec(environment))
    assert spec.observations.shape == (3, 84, 84)
    assert spec.observations.dtype == np.uint8
    assert isinstance(spec.actions, specs.DiscreteArray)
    assert spec.actions.num_values == num_actions
    assert spec.rewards.dtype == spec.discounts.dtype == np.float32
    assert environment.frames_per_agent_step == 4
    # A step before the first reset is one.
    timesteps = [environment.step(np.zeros(2, np.int64)),
                 environment.step(np.full(2, num_actions - 1))]
    for timestep, step_type in zip(timesteps, (FIRST, MID)):
      assert timestep.step_type.tolist() == [step_type] * 2
      assert timestep.step_type.dtype == np.int32
      assert timestep.reward.dtype == timestep.discount.dtype == np.float32
      assert timestep.reward.shape == timestep.discount.shape == (2,)
      assert timestep.observation.dtype == np.uint8
      assert timestep.observation.shape == (2, 3, 84, 84)
    # ALE would wait forever.
    with pytest.raises(ValueError, match='must be at least 0 and less than '
                       f'{num_actions}'):
      environment.step(np.array([0, num_actions]))
    assert environment.step(np.zeros(2, np.int32)).step_type.tolist() == [
        MID, MID]
    environment.close()


def test_observations_are_not_written_to_later() -> None:
  environment = AtariEnvironment('breakout', 2, 0, 20)
  timesteps, copies = [environment.reset()], []
  for actions in _random_actions(50, 2):
    copies.append(timesteps[-1].observation.copy())
    timesteps.append(environment.step(actions))
  environment.close()
  for timestep, copied in zip(timesteps, copies):
    np.testing.assert_array_equal(timestep.observation, copied)


def test_close_ends_the_threads() -> None:
  def num_threads() -> int:
    return len(os.listdir('/proc/self/task'))
  before = num_threads()
  environment = AtariEnvironment('pong', 3, 0, 10, num_threads=2)
  environment.reset()
  assert num_threads() > before
  environment.close()
  deadline = time.monotonic() + 10
  while num_threads() > before and time.monotonic() < deadline:
    time.sleep(0.01)
  assert num_threads() <= before


@pytest.mark.parametrize('arguments, message', [
    ({'num_environments': 0}, 'num_environments is 0, but must be at least 1'),
    ({'seed': -1}, 'seed is -1, but must be at least 0'),
    ({'max_episode_steps': 0}, 'max_episode_steps is 0, but must be at least'),
    ({'num_threads': 0}, 'num_threads is 0, but must be at least 1'),
])
def test_bad_arguments(arguments: Any, message: str) -> None:
  with pytest.raises(ValueError, match=message):
    AtariEnvironment(**{'game': 'pong', 'num_environments': 1, 'seed': 0,
                        'max_episode_steps': 10, **arguments})
