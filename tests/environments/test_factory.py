import os
import sys
import time
from typing import Any, Dict

from acme import specs
import dm_env
import gymnasium
import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf import environments


class _Unsupported(gymnasium.Env):
  """Has spaces that no batch of arrays holds."""

  def __init__(self, kind: str):
    box = gymnasium.spaces.Box(-1, 1, (2,))
    self.observation_space = (
        gymnasium.spaces.Sequence(box) if kind == 'observation' else box)
    self.action_space: gymnasium.Space = {
        'integers': gymnasium.spaces.Box(0, 3, (2,), np.int64),
        'several': gymnasium.spaces.MultiDiscrete([2, 3]),
    }.get(kind, gymnasium.spaces.Discrete(2))


for _kind in ('observation', 'integers', 'several'):
  gymnasium.register(f'apex_tf/{_kind}-v0', f'{__name__}:_Unsupported',
                     kwargs={'kind': _kind})


def _config(**fields: Any) -> config_lib.EnvironmentConfig:
  return config_lib.EnvironmentConfig(**fields)


@pytest.mark.parametrize('fields, shape, dtype, frames', [
    ({}, (1, 4), np.float32, 1),
    ({'id': 'Blackjack-v1', 'num_frames_stacked': 2}, (2, 45), np.float32, 1),
    ({'suite': 'minatar', 'game': 'space_invaders'}, (1, 10, 10, 6), np.bool_,
     1),
    ({'suite': 'atari', 'game': 'pong', 'num_frames_stacked': 4}, (4, 84, 84),
     np.uint8, 4),
    ({'id': 'HalfCheetah-v5'}, (1, 17), np.float32, 1),
    ({'suite': 'control', 'id': 'walker:stand', 'num_frames_stacked': 2},
     (2, 24), np.float32, 1),
])
@pytest.mark.parametrize('evaluation', [False, True])
def test_specs_and_time_steps_agree(
    fields: Dict[str, Any], shape: Any, dtype: Any, frames: int,
    evaluation: bool) -> None:
  config = _config(**fields)
  spec = environments.make_environment_spec(config)
  environment = environments.make_environment(config, 3, 1, evaluation)
  assert isinstance(environment, environments.BatchedEnvironment)
  assert repr(spec) == repr(specs.make_environment_spec(environment))
  assert (spec.observations.shape, spec.observations.dtype) == (shape, dtype)
  assert (spec.rewards.dtype, spec.discounts.dtype) == (np.float32, np.float32)
  assert environment.num_environments == 3
  assert environment.frames_per_agent_step == frames
  action = np.zeros((3, *spec.actions.shape), spec.actions.dtype)
  for timestep in (environment.reset(), environment.step(action)):
    assert timestep.observation.shape == (3, *shape)
    for index in range(3):
      spec.observations.validate(timestep.observation[index])
      spec.rewards.validate(timestep.reward[index])
      spec.discounts.validate(timestep.discount[index])
  environment.close()


def test_continuous_actions() -> None:
  config = _config(id='Pendulum-v1')
  spec = environments.make_environment_spec(config)
  assert isinstance(spec.actions, specs.BoundedArray)
  assert spec.actions.dtype == np.float32
  np.testing.assert_array_equal(spec.actions.minimum, [-1.0])
  np.testing.assert_array_equal(spec.actions.maximum, [1.0])


@pytest.mark.parametrize('fields, message', [
    ({'id': 'CartPol-v1'},
     "environment.id is 'CartPol-v1', but must be an id that gymnasium knows; "
     'did you mean CartPole-v1?'),
    ({'id': 'CartPole-v9'},
     "environment.id is 'CartPole-v9', but must be an id that gymnasium knows; "
     'did you mean CartPole-v'),
    ({'id': 'qqqq/Zzzz-v0'},
     "environment.id is 'qqqq/Zzzz-v0', but must be an id that gymnasium "
     'knows: Namespace qqqq not found'),
    ({'id': 'MinAtar/Qqqq-v0'},
     "environment.id is 'MinAtar/Qqqq-v0', but must be an id that gymnasium "
     'knows; its games are environment.suite minatar'),
    ({'id': 'not an id'},
     "environment.id is 'not an id', but must be an id that gymnasium can "
     'make: Malformed environment ID'),
    ({'id': 'no_such_module:Foo-v0'},
     "environment.id is 'no_such_module:Foo-v0', but must be an id that "
     "gymnasium can make: No module named 'no_such_module'"),
    ({'id': 'apex_tf/observation-v0'},
     "environment.id is 'apex_tf/observation-v0', but must be a task with "
     'supported spaces: the observation space is Sequence(Box('),
    ({'id': 'apex_tf/integers-v0'},
     "environment.id is 'apex_tf/integers-v0', but must be a task with "
     'supported spaces: the action space is Box(0, 3, (2,), int64), but must '
     'be Discrete or a Box of floats'),
    ({'id': 'apex_tf/several-v0'},
     "environment.id is 'apex_tf/several-v0', but must be a task with "
     'supported spaces: the action space is MultiDiscrete([2 3]), but must be'),
    ({'suite': 'minatar', 'game': 'Breakot'},
     "environment.game is 'Breakot', but must be one of asterix, breakout, "
     'freeway, seaquest, space_invaders; did you mean breakout?'),
    ({'suite': 'minatar', 'game': 'pong'},
     "environment.game is 'pong', but must be one of asterix, breakout, "
     'freeway, seaquest, space_invaders'),
    ({'suite': 'atari', 'game': 'MsPacman'},
     "environment.game is 'MsPacman', but must be one of the 104 games of ALE "
     'in snake_case, such as ms_pacman; did you mean ms_pacman?'),
    # For two players only.
    ({'suite': 'atari', 'game': 'joust'},
     "environment.game is 'joust', but must be one of the 104 games of ALE in "
     'snake_case, such as ms_pacman'),
    ({'suite': 'atari', 'game': 'pong', 'atari_protocol': 'machado2018',
      'full_action_set': False},
     'environment.full_action_set is False, but must be True where '
     'environment.atari_protocol is machado2018, which plays all 18 actions'),
])
@pytest.mark.filterwarnings('ignore')
def test_what_is_refused(fields: Dict[str, Any], message: str) -> None:
  for make in (lambda config: environments.make_environment(config, 2, 0),
               environments.make_environment_spec):
    with pytest.raises(ValueError) as error:
      make(_config(**fields))
    assert str(error.value).startswith(message)
    assert '\n' not in str(error.value)


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
  for name in list(sys.modules):  # It tells when it is imported.
    if name.startswith('gymnasium.envs.mujoco'):
      monkeypatch.delitem(sys.modules, name)
  for name in ('minatar', 'minatar.gym', 'jax', 'mujoco'):
    monkeypatch.setitem(sys.modules, name, None)
  with pytest.raises(ValueError) as error:
    environments.make_environment_spec(
        _config(suite='minatar', game='breakout'))
  assert str(error.value).startswith(
      "environment.suite is 'minatar', but must be one that is installed: pip "
      'install apex_tf[minatar] (')
  with pytest.raises(ValueError) as error:
    environments.make_environment_spec(_config(id='phys2d/CartPole-v1'))
  assert str(error.value).startswith(
      "environment.id is 'phys2d/CartPole-v1', but must be an id that "
      'gymnasium can make: import of jax')
  with pytest.raises(ValueError) as error:
    environments.make_environment_spec(_config(id='HalfCheetah-v5'))
  assert str(error.value) == (
      "environment.id is 'HalfCheetah-v5', but must be an id that gymnasium "
      'can make: MuJoCo is not installed, run `pip install '
      '"gymnasium[mujoco]"`')


@pytest.mark.parametrize('suite, field', [
    ('gymnasium', 'id'), ('control', 'id'), ('atari', 'game'),
    ('minatar', 'game')])
def test_the_error_of_a_task_names_its_field(suite: str, field: str) -> None:
  config = _config(suite=suite, **{field: 'this'})
  error = environments.task_error(config, 'that')
  assert isinstance(error, ValueError)
  assert str(error) == f"environment.{field} is 'this', but must be that"


@pytest.mark.parametrize('fields', [
    {}, {'suite': 'minatar', 'game': 'breakout'},
    {'suite': 'control', 'id': 'walker:stand'},
    {'suite': 'atari', 'game': 'breakout'},
    {'suite': 'atari', 'game': 'breakout', 'full_action_set': False}])
def test_a_spec_leaves_nothing_behind(fields: Dict[str, Any]) -> None:
  def tasks() -> int:
    return len(os.listdir('/proc/self/task'))
  environments.make_environment_spec(_config(**fields))  # Imports and caches.
  before = tasks()
  environments.make_environment_spec(_config(**fields))
  assert tasks() == before


@pytest.mark.parametrize('fields', [
    {}, {'suite': 'minatar', 'game': 'breakout'},
    {'suite': 'atari', 'game': 'breakout', 'num_frames_stacked': 4,
     'max_episode_steps': 30},
    {'suite': 'control', 'id': 'cartpole:swingup', 'max_episode_steps': 30}])
def test_a_step_in_two_halves_is_a_step(fields: Dict[str, Any]) -> None:
  config = _config(**fields)
  whole, halves = (
      environments.make_environment(config, 3, 5) for _ in range(2))
  spec = environments.make_environment_spec(config).actions
  rng = np.random.default_rng(0)
  episodes = 0
  earlier: Any = None
  for _ in range(80):  # The first step is a reset.
    action = (rng.integers(spec.num_values, size=3, dtype=np.int32)
              if isinstance(spec, specs.DiscreteArray) else
              rng.uniform(-1, 1, (3, *spec.shape)).astype(np.float32))
    expected = whole.step(action)
    halves.begin_step(action)
    if earlier is not None:
      # What is acted on and written meanwhile does not change.
      time.sleep(0.002)
      np.testing.assert_array_equal(*earlier)
    timestep = halves.end_step()
    for found, wanted in zip(timestep, expected):
      np.testing.assert_array_equal(found, wanted)
    episodes += int((timestep.step_type == dm_env.StepType.LAST).sum())
    earlier = timestep.observation, timestep.observation.copy()
  assert episodes >= 3
  with pytest.raises(ValueError, match='actions is'):
    halves.begin_step(np.full((3, *spec.shape), 77, spec.dtype))
  with pytest.raises(RuntimeError, match='but must follow begin_step'):
    halves.end_step()
  halves.begin_step(action)
  with pytest.raises(RuntimeError, match='must be followed by end_step'):
    halves.begin_step(action)
  # A reset takes the step that is under way, and is a reset.
  whole.step(action)
  np.testing.assert_array_equal(
      halves.reset().observation, whole.reset().observation)
  whole.close()
  halves.close()
