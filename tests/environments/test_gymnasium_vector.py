"""Every comparison is with single, plain gymnasium environments."""

from typing import Any, Callable, Iterator, List, NamedTuple

from acme import specs
import dm_env
import gymnasium
import numpy as np
import pytest

from apex_tf.environments import gymnasium_vector
from apex_tf.environments.gymnasium_vector import GymnasiumVectorEnvironment

FIRST, MID, LAST = dm_env.StepType


class _Step(NamedTuple):
  step_type: int
  reward: Any
  discount: float
  frame: Any


def _play(environment: gymnasium.Env, seed: int, actions: List[Any],
          limit: int = 0) -> Iterator[_Step]:
  """The episodes of one environment; the action after a LAST only resets."""
  frame, _ = environment.reset(seed=seed)
  yield _Step(FIRST, 0.0, 1.0, frame)
  ended, length = False, 0
  for action in actions:
    if ended:
      frame, _ = environment.reset()
      ended, length = False, 0
      yield _Step(FIRST, 0.0, 1.0, frame)
      continue
    frame, reward, terminated, truncated, _ = environment.step(action)
    length += 1
    ended = terminated or truncated or length == limit
    yield _Step(LAST if ended else MID, reward, 0.0 if terminated else 1.0,
                frame)


def _one_hot(*sizes: int) -> Callable[[Any], np.ndarray]:
  def encode(values: Any) -> np.ndarray:
    vectors = []
    for size, value in zip(sizes, np.atleast_1d(values)):
      vectors.append(np.zeros(size, np.float32))
      vectors[-1][value] = 1
    return np.concatenate(vectors)
  return encode


def _make_minatar(game: str = 'breakout') -> gymnasium.Env:
  return gymnasium.make(gymnasium.spec(gymnasium_vector.minatar_id(game)))


def _steps(environment: GymnasiumVectorEnvironment,
           actions: np.ndarray) -> List[dm_env.TimeStep]:
  return [environment.reset(), *(environment.step(row) for row in actions)]


def _same(frame: Any) -> Any:
  return frame


_TASKS = {
    'vector': (lambda: gymnasium.make('CartPole-v1'), _same, np.float32, 0),
    'own_limit': (lambda: gymnasium.make('MountainCar-v0'), _same, np.float32,
                  0),
    'shorter_limit': (lambda: gymnasium.make('MountainCar-v0'), _same,
                      np.float32, 30),
    'discrete': (lambda: gymnasium.make('FrozenLake-v1'), _one_hot(16),
                 np.float32, 0),
    'tuple': (lambda: gymnasium.make('Blackjack-v1'), _one_hot(32, 11, 2),
              np.float32, 0),
    'box_actions': (lambda: gymnasium.make('Pendulum-v1'), _same, np.float32,
                    0),
    'mujoco': (lambda: gymnasium.make('Hopper-v5'), _same, np.float32, 0),
    'bool_image': (_make_minatar, _same, np.bool_, 0),
    'no_limit': (_make_minatar, _same, np.bool_, 7),
}


@pytest.mark.parametrize('num_stacked', [1, 3])
@pytest.mark.parametrize('task', _TASKS)
def test_equals_plain_environments(task: str, num_stacked: int) -> None:
  make, encode, dtype, limit = _TASKS[task]
  num_environments, seed, num_steps = 3, 11, 430
  batched = GymnasiumVectorEnvironment(make, num_environments, seed,
                                       num_stacked, limit)
  action_space = make().action_space
  action_space.seed(5)
  actions = np.array([[action_space.sample() for _ in range(num_environments)]
                      for _ in range(num_steps)])
  # The bounds here are -2 and 2, or -1 and 1: nothing is rounded.
  scale = getattr(action_space, 'high', 1)
  assert not isinstance(action_space, gymnasium.spaces.Box) or (
      action_space.low == -scale).all()

  timesteps = _steps(
      batched, actions if np.all(scale == 1) else actions / scale)

  for index in range(num_environments):
    stack: List[np.ndarray] = []
    plain = _play(make(), seed + index, list(actions[:, index]), limit)
    for timestep, expected in zip(timesteps, plain):
      frame = np.asarray(encode(expected.frame))
      if expected.step_type == FIRST:
        stack = [np.zeros(frame.shape, dtype)] * num_stacked
      stack = [*stack[1:], frame.astype(dtype)]
      assert timestep.step_type[index] == expected.step_type
      assert timestep.reward[index] == np.float32(expected.reward)
      assert timestep.discount[index] == expected.discount
      np.testing.assert_array_equal(timestep.observation[index], stack)
  for timestep in timesteps:
    batched.observation_spec().validate(timestep.observation[0])
    assert timestep.observation.shape[0] == num_environments
    assert timestep.step_type.dtype == np.int32
    assert timestep.reward.dtype == np.float32
    assert timestep.discount.dtype == np.float32
    assert timestep.reward.shape == (num_environments,)
    assert timestep.discount.shape == (num_environments,)
  seen = {int(t) for timestep in timesteps for t in timestep.step_type}
  assert seen == {FIRST, MID, LAST}


@pytest.mark.parametrize('name', ['Blackjack-v1', 'minatar'])
def test_a_limit_bounds_environments_without_one(name: str) -> None:
  def make() -> gymnasium.Env:
    return _make_minatar('freeway') if name == 'minatar' else gymnasium.make(
        name)
  assert make().spec.max_episode_steps is None  # type: ignore[union-attr]
  environment = GymnasiumVectorEnvironment(make, 1, 0, max_episode_steps=1)

  timesteps = _steps(environment, np.ones((6, 1), np.int32))

  assert [int(t.step_type[0]) for t in timesteps] == [FIRST, LAST, FIRST, LAST,
                                                      FIRST, LAST, FIRST]


def test_a_longer_limit_leaves_the_environments_own() -> None:
  environment = GymnasiumVectorEnvironment(
      lambda: gymnasium.make('MountainCar-v0'), 1, 0, max_episode_steps=1000)
  timesteps = _steps(environment, np.ones((200, 1), np.int32))
  assert timesteps[199].step_type[0] == MID
  assert timesteps[200].step_type[0] == LAST
  assert timesteps[200].discount[0] == 1.0


class _Counter(gymnasium.Env):
  """Counts actions, in one array that it returns again and again."""

  action_space = gymnasium.spaces.Discrete(3, start=-1)

  def __init__(self, space: Any, end: int = 4,
               terminated: bool = True, truncated: bool = False):
    self.observation_space = space
    self._end, self._flags = end, (terminated, truncated)
    self._frame = np.zeros(space.shape, space.dtype)
    self.actions: List[int] = []

  def reset(self, *, seed: Any = None, options: Any = None) -> Any:
    super().reset(seed=seed)
    self._frame[...] = 1
    return self._frame, {}

  def step(self, action: Any) -> Any:
    assert self.action_space.contains(action), action
    self.actions.append(int(action))
    self._frame += 1
    ended = bool(self._frame.flat[0] > self._end)
    terminated, truncated = (ended and flag for flag in self._flags)
    return self._frame, 2.5, terminated, truncated, {}


def _box(dtype: Any, shape: Any = (2,), low: float = 0) -> Any:
  return gymnasium.spaces.Box(low, 100, shape, dtype)


@pytest.mark.parametrize('terminated, truncated, discount', [
    (True, False, 0.0), (False, True, 1.0), (True, True, 0.0)])
def test_termination_wins_over_truncation(
    terminated: bool, truncated: bool, discount: float) -> None:
  environment = GymnasiumVectorEnvironment(
      lambda: _Counter(_box(np.float32), 4, terminated, truncated), 2, 0)
  timesteps = _steps(environment, np.zeros((5, 2), np.int32))
  last, first = timesteps[4], timesteps[5]
  np.testing.assert_array_equal(last.step_type, [LAST, LAST])
  np.testing.assert_array_equal(last.discount, [discount] * 2)
  np.testing.assert_array_equal(last.reward, [2.5, 2.5])
  np.testing.assert_array_equal(last.observation, np.full((2, 1, 2), 5))
  np.testing.assert_array_equal(first.step_type, [FIRST, FIRST])
  np.testing.assert_array_equal(first.discount, [1.0, 1.0])
  np.testing.assert_array_equal(first.reward, [0.0, 0.0])
  np.testing.assert_array_equal(first.observation, np.full((2, 1, 2), 1))


def test_discrete_actions_count_from_zero_whatever_the_start() -> None:
  made: List[_Counter] = []
  def make() -> gymnasium.Env:
    made.append(_Counter(_box(np.float32)))
    return made[-1]
  environment = GymnasiumVectorEnvironment(make, 2, 0)
  spec = environment.action_spec()
  assert isinstance(spec, specs.DiscreteArray)
  assert (spec.num_values, spec.dtype) == (3, np.int32)
  _steps(environment, np.array([[0, 2], [1, 1], [2, 0]], np.int32))
  assert [counter.actions for counter in made] == [[-1, 0, 1], [1, 0, -1]]


@pytest.mark.parametrize('space, dtype, shape', [
    (_box(np.float64), np.float32, (2,)),
    (_box(np.float16), np.float32, (2,)),
    (_box(np.int64), np.float32, (2,)),
    (_box(np.uint8, (3, 4, 2)), np.uint8, (3, 4, 2)),
    (_box(np.float32, ()), np.float32, (1,)),
    # The padding is zero even where the space does not contain it.
    (_box(np.float32, (2,), low=1), np.float32, (2,)),
    (_box(np.uint8, (2,), low=1), np.uint8, (2,)),
], ids=str)
@pytest.mark.parametrize('num_stacked', [1, 3])
def test_observation_types(space: Any, dtype: Any, shape: Any,
                           num_stacked: int) -> None:
  environment = GymnasiumVectorEnvironment(lambda: _Counter(space), 2, 0,
                                           num_stacked)
  timesteps = _steps(environment, np.ones((2, 2), np.int32))
  spec = environment.observation_spec()
  assert (spec.shape, spec.dtype) == ((num_stacked, *shape), dtype)
  # An observation is not changed by the steps that follow it.
  for time, timestep in enumerate(timesteps):
    assert timestep.observation.dtype == dtype
    for age in range(num_stacked):
      np.testing.assert_array_equal(
          timestep.observation[:, num_stacked - 1 - age],
          np.full((2, *shape), max(0, 1 + time - age)))


def test_every_reset_begins_anew_and_only_the_first_is_seeded() -> None:
  def make() -> GymnasiumVectorEnvironment:
    return GymnasiumVectorEnvironment(
        lambda: gymnasium.make('CartPole-v1'), 3, seed=8)
  one, two = make(), make()
  firsts = [one.reset(), one.reset()]
  np.testing.assert_array_equal(
      two.step(np.zeros(3, np.int32)).observation, firsts[0].observation)
  np.testing.assert_array_equal(
      two.reset().observation, firsts[1].observation)
  assert (firsts[0].observation != firsts[1].observation).any()
  assert len({row.tobytes() for row in firsts[0].observation}) == 3
  for first in firsts:
    assert first.step_type.tolist() == [FIRST] * 3
  # In the middle of episodes that have ended, too.
  while not (one.step(np.ones(3, np.int32)).step_type == LAST).any():
    pass
  assert one.reset().step_type.tolist() == [FIRST] * 3
  assert one.step(np.ones(3, np.int32)).step_type.tolist() == [MID] * 3


@pytest.mark.parametrize('action, message', [
    ([0, 1, 2], r'actions is \[0, 1, 2\], but must be at least 0 and less'),
    ([0, -1, 1], r'actions is \[0, -1, 1\], but must be at least 0 and less'),
    ([0, 1], r'shape \(2,\), but must be of shape \(3,\)'),
    ([[0], [1], [1]], r'shape \(3, 1\), but must be of shape \(3,\)'),
    ([0.0, 1.0, 1.0], 'dtype float64, but must be of integers'),
])
def test_bad_actions(action: Any, message: str) -> None:
  environment = GymnasiumVectorEnvironment(
      lambda: gymnasium.make('CartPole-v1'), 3, 0)
  environment.reset()
  with pytest.raises(ValueError, match=message):
    environment.step(np.array(action))


@pytest.mark.parametrize('num_environments, seed, message', [
    (0, 0, 'num_environments is 0, but must be at least 1'),
    (1, -1, 'seed is -1, but must be at least 0')])
def test_bad_arguments(num_environments: int, seed: int, message: str) -> None:
  with pytest.raises(ValueError, match=message):
    GymnasiumVectorEnvironment(
        lambda: gymnasium.make('CartPole-v1'), num_environments, seed)


@pytest.mark.parametrize('game', gymnasium_vector.MINATAR_GAMES)
def test_minatar_games(game: str) -> None:
  environment = GymnasiumVectorEnvironment(
      lambda: _make_minatar(game), 2, seed=2**31 - 1)
  spec = environment.action_spec()
  assert isinstance(spec, specs.DiscreteArray)
  assert spec.num_values == 6
  timestep = environment.reset()
  assert timestep.observation.dtype == np.bool_
  assert timestep.observation.shape[:4] == (2, 1, 10, 10)
