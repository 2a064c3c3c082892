"""The control suite against single tasks of dm_control, stepped by hand."""

import os
import subprocess
import sys
from typing import Any, Dict, Iterator, List, NamedTuple

from acme import specs
import dm_env
import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf.environments import control
from apex_tf.environments.control import ControlEnvironment
from tests import opengl

# So that the other tests of this process can render.
suite, _ = control._import_dm_control()

FIRST, MID, LAST = dm_env.StepType

# The entries of these tasks' observations, in their order, by hand.
_ENTRIES = {
    'walker:stand': ['orientations', 'height', 'velocity'],  # A scalar.
    'fish:swim': ['joint_angles', 'upright', 'target', 'velocity'],
    # arm_pos is a matrix of 8 x 2.
    'manipulator:bring_ball': ['arm_pos', 'arm_vel', 'touch', 'hand_pos',
                               'object_pos', 'object_vel', 'target_pos'],
}


class _Step(NamedTuple):
  step_type: int
  reward: float
  discount: float
  frame: np.ndarray


def _load(name: str, seed: int) -> Any:
  return suite.load(*name.split(':'), task_kwargs={'random': seed})


def _frame(name: str, observation: Any) -> np.ndarray:
  numbers: List[float] = []
  for entry in _ENTRIES[name]:
    value = np.asarray(observation[entry])
    rows = value if value.ndim == 2 else [np.atleast_1d(value)]
    numbers.extend(float(number) for row in rows for number in row)
  assert len(observation) == len(_ENTRIES[name])
  return np.array(numbers, np.float32)


def _play(name: str, seed: int, actions: np.ndarray,
          limit: int) -> Iterator[_Step]:
  """The episodes of one task; the action after a LAST only resets."""
  task = _load(name, seed)
  length = limit
  for action in [None, *actions]:
    if length == limit:
      length = 0
      yield _Step(FIRST, 0.0, 1.0, _frame(name, task.reset().observation))
      continue
    timestep = task.step(action)
    length += 1
    yield _Step(LAST if length == limit else MID, timestep.reward,
                timestep.discount, _frame(name, timestep.observation))


def _steps(environment: ControlEnvironment,
           actions: np.ndarray) -> List[dm_env.TimeStep]:
  return [environment.reset(), *(environment.step(row) for row in actions)]


def _actions(environment: ControlEnvironment, steps: int) -> np.ndarray:
  shape = (steps, environment.num_environments,
           *environment.action_spec().shape)
  return np.random.default_rng(3).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize('num_stacked', [1, 3])
@pytest.mark.parametrize('name', _ENTRIES)
def test_equals_plain_tasks(name: str, num_stacked: int) -> None:
  seed, limit = 2**31 - 2, 12
  environment = ControlEnvironment(
      *name.split(':'), num_environments=3, seed=seed,
      num_frames_stacked=num_stacked, max_episode_steps=limit)
  actions = _actions(environment, 40)
  timesteps = _steps(environment, actions)
  for index, own_seed in enumerate([2**31 - 2, 2**31 - 1, 0]):
    stack: List[np.ndarray] = []
    plain = _play(name, own_seed, actions[:, index], limit)
    for timestep, expected in zip(timesteps, plain):
      if expected.step_type == FIRST:
        stack = [np.zeros_like(expected.frame)] * num_stacked
      stack = [*stack[1:], expected.frame]
      assert timestep.step_type[index] == expected.step_type
      assert timestep.reward[index] == np.float32(expected.reward)
      assert timestep.discount[index] == expected.discount
      np.testing.assert_array_equal(timestep.observation[index], stack)
      environment.observation_spec().validate(timestep.observation[index])
  for timestep in timesteps:
    assert timestep.step_type.dtype == np.int32
    assert timestep.reward.dtype == timestep.discount.dtype == np.float32
  environment.close()


def test_bounds_that_are_not_one() -> None:
  """A quadruped's actuators: lift [-1, 1.1], extension [-0.8, 0.8], ..."""
  name = 'quadruped:walk'
  environment = ControlEnvironment(*name.split(':'), 1, 7)
  bounds = _load(name, 7).action_spec()
  assert set(bounds.maximum) == {0.8, 1.0, 1.1}
  spec = environment.action_spec()
  assert spec == specs.BoundedArray((12,), np.float32, -1.0, 1.0, 'action')
  actions = _actions(environment, 20)
  actions[4], actions[5] = -1, 1
  task = _load(name, 7)
  task.reset()
  environment.reset()
  for action in actions:
    halfway = (action[0].astype(np.float64) + 1) / 2
    expected = task.step(
        bounds.minimum + halfway * (bounds.maximum - bounds.minimum))
    timestep = environment.step(action)
    assert timestep.reward[0] == pytest.approx(expected.reward, rel=1e-5)
    applied = environment._environments[0].physics.data.ctrl
    np.testing.assert_allclose(applied, task.physics.data.ctrl, atol=1e-15)
    assert (applied >= bounds.minimum).all()
    assert (applied <= bounds.maximum).all()


def test_actuators_without_bounds_stay_so() -> None:
  environment = ControlEnvironment('lqr', 'lqr_2_1', 2, 0)
  spec = environment.action_spec()
  assert (spec.shape, spec.dtype) == ((1,), np.float32)
  assert (spec.minimum, spec.maximum) == (-np.inf, np.inf)
  environment.reset()
  environment.step(np.full((2, 1), 2.5, np.float32))
  assert environment._environments[1].physics.data.ctrl == [2.5]


def test_the_tasks_own_limit_is_a_truncation() -> None:
  # Ten seconds of 0.04 seconds would be 250; a task has 1000 steps.
  environment = ControlEnvironment('fish', 'upright', 1, 0,
                                   max_episode_steps=5000)
  timesteps = _steps(environment, np.zeros((1002, 1, 5), np.float32))
  types = [int(timestep.step_type[0]) for timestep in timesteps]
  assert types == [FIRST, *[MID] * 999, LAST, FIRST, MID]
  assert timesteps[1000].discount[0] == 1.0
  assert timesteps[1000].reward[0] > 0.0


def test_a_termination_has_the_tasks_discount() -> None:
  """LQR ends when its state is near zero; so it is put there."""
  environment = ControlEnvironment('lqr', 'lqr_2_1', 2, 0)
  environment.reset()
  physics = environment._environments[1].physics
  with physics.reset_context():
    physics.data.qpos[:] = physics.data.qvel[:] = 1e-9
  timestep = environment.step(np.zeros((2, 1), np.float32))
  assert timestep.step_type.tolist() == [MID, LAST]
  assert timestep.discount.tolist() == [1.0, 0.0]
  timestep = environment.step(np.zeros((2, 1), np.float32))
  assert timestep.step_type.tolist() == [MID, FIRST]
  assert timestep.discount.tolist() == [1.0, 1.0]


def test_seeds() -> None:
  def play(num_environments: int, seed: int) -> np.ndarray:
    environment = ControlEnvironment('reacher', 'easy', num_environments, seed,
                                     max_episode_steps=4)
    actions = np.random.default_rng(3).uniform(-1, 1, (15, 1, 2)).repeat(
        num_environments, axis=1)
    return np.array([t.observation for t in _steps(environment, actions)])
  one = play(3, 5)
  np.testing.assert_array_equal(one, play(3, 5))
  np.testing.assert_array_equal(one[:, 1:2], play(1, 6))
  # Environments differ, and so do the episodes of one.
  assert (one[0, 0] != one[0, 1]).any()
  assert (one[0, 0] != one[5, 0]).any()


def test_every_reset_begins_anew() -> None:
  environment = ControlEnvironment('walker', 'walk', 2, 0, 2, 3)
  action = np.ones((2, 6), np.float32)
  firsts = [environment.step(action)]  # A step before the first is one.
  for steps in (1, 3):
    for _ in range(steps):
      timestep = environment.step(action)
    firsts.append(environment.reset())
  assert timestep.step_type.tolist() == [LAST] * 2
  for first in firsts:
    assert first.step_type.tolist() == [FIRST] * 2
    assert first.reward.tolist() == [0.0] * 2
    assert (first.observation[:, 0] == 0).all()
  assert (firsts[0].observation != firsts[1].observation).any()
  timestep = environment.step(action)
  assert timestep.step_type.tolist() == [MID] * 2
  np.testing.assert_array_equal(timestep.observation[:, 0],
                                firsts[-1].observation[:, 1])


def test_observations_are_not_written_to_later() -> None:
  environment = ControlEnvironment('pendulum', 'swingup', 2, 0, 3, 5)
  timesteps, copies = [environment.reset()], []
  for action in _actions(environment, 12):
    copies.append(timesteps[-1].observation.copy())
    timesteps.append(environment.step(action))
  for timestep, copied in zip(timesteps, copies):
    np.testing.assert_array_equal(timestep.observation, copied)


@pytest.mark.parametrize('action, message', [
    (np.zeros((2, 5)), r'of shape \(2, 5\), but must be of shape \(2, 6\)'),
    (np.full((2, 6), 1.001), 'actions is .*but must be at least -1.0 and at'),
    (np.full((2, 6), np.nan), r'actions is \[\[nan.*but must be at least'),
])
def test_bad_actions(action: np.ndarray, message: str) -> None:
  environment = ControlEnvironment('walker', 'walk', 2, 0)
  environment.reset()
  with pytest.raises(ValueError, match=message):
    environment.step(action)


@pytest.mark.parametrize('arguments, message', [
    ({'num_environments': 0}, 'num_environments is 0, but must be at least 1'),
    ({'seed': -1}, 'seed is -1, but must be at least 0')])
def test_bad_arguments(arguments: Dict[str, int], message: str) -> None:
  with pytest.raises(ValueError, match=message):
    ControlEnvironment('walker', 'walk', **{
        'num_environments': 1, 'seed': 0, **arguments})


@pytest.mark.parametrize('name, message', [
    ('CartPole-v1', 'domain:task of dm_control, such as walker:stand'),
    ('walker:', 'domain:task of dm_control, such as walker:stand'),
    (':stand', 'domain:task of dm_control, such as walker:stand'),
    ('walkr:stand', 'domain:task, with a domain of acrobot, ball_in_cup, '),
    ('walkr:stand', '; did you mean walker?'),
    ('walker:jump', 'one of walker:run, walker:stand, walker:walk'),
    ('walker:stnd', 'walker:walk; did you mean walker:stand?'),
])
def test_what_is_refused(name: str, message: str) -> None:
  config = config_lib.EnvironmentConfig(suite='control', id=name)
  for make in (lambda: environments.make_environment(config, 2, 0),
               lambda: environments.make_environment_spec(config)):
    with pytest.raises(ValueError) as error:
      make()
    assert str(error.value).startswith(
        f'environment.id is {name!r}, but must be ')
    assert message in str(error.value)
    assert '\n' not in str(error.value)


def test_dm_control_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
  for name in list(sys.modules):
    if name.split('.')[0] == 'dm_control':
      monkeypatch.delitem(sys.modules, name)
  monkeypatch.setitem(sys.modules, 'dm_control', None)
  config = config_lib.EnvironmentConfig(suite='control', id='walker:stand')
  with pytest.raises(ValueError) as error:
    environments.make_environment_spec(config)
  assert str(error.value).startswith(
      "environment.suite is 'control', but must be one that is installed: pip "
      'install apex_tf[control] (')


_STEP = '''
import os
import sys
from apex_tf import config
from apex_tf import environments
assert 'dm_control' not in sys.modules
before = os.environ.get('MUJOCO_GL')
environment = environments.make_environment(
    config.EnvironmentConfig(suite='control', id='pendulum:swingup'), 2, 0)
assert os.environ.get('MUJOCO_GL') == before
environment.reset()
print(environment.step([[0.0], [0.5]]).step_type.tolist())
try:
  print(environment.render().std() > 0)
except ValueError as error:
  print(error)
'''

_NOT_RENDERED = ('pendulum:swingup cannot be rendered: No OpenGL rendering '
                 'backend is available.')


@pytest.mark.parametrize('variables', [
    {},
    {'MUJOCO_GL': 'off'},
    # EGL that does not load, whoever chose it: there is no such device.
    {'MUJOCO_EGL_DEVICE_ID': '99'},
    {'MUJOCO_EGL_DEVICE_ID': '99', 'MUJOCO_GL': 'egl'},
    # EGL's libraries themselves are not there.
    {'LIBRARIES': 'missing'},
])
def test_stepping_needs_no_opengl(variables: Dict[str, str]) -> None:
  """In a process without a display; each imports dm_control once."""
  picture = ('True' if not variables and opengl.mujoco_draws() else
             _NOT_RENDERED)
  variables = {**os.environ, **variables}
  for name in ('DISPLAY', 'PYOPENGL_PLATFORM'):
    variables.pop(name, None)
  code = _STEP
  if variables.pop('LIBRARIES', None):
    code = _WITHOUT_LIBRARIES + code
  result = subprocess.run(
      [sys.executable, '-c', code], env=variables, check=True,
      capture_output=True, text=True)
  assert result.stdout.splitlines()[:2] == ['[1, 1]', picture]


_WITHOUT_LIBRARIES = '''
import ctypes
import ctypes.util
_find, _init = ctypes.util.find_library, ctypes.CDLL.__init__
def _is_opengl(name):
  return name and any(part in str(name) for part in ('GL', 'OSMesa'))
ctypes.util.find_library = lambda n: None if _is_opengl(n) else _find(n)
def _open(self, name, *args, **kwargs):
  if _is_opengl(name):
    raise OSError(f'{name}: cannot open shared object file')
  _init(self, name, *args, **kwargs)
ctypes.CDLL.__init__ = _open
'''


@pytest.mark.parametrize('name', [
    f'{domain}:{task}' for domain, task in suite.ALL_TASKS
    if domain not in ('dog', 'humanoid_CMU')])  # Seconds each.
def test_every_task_steps(name: str) -> None:
  environment = ControlEnvironment(*name.split(':'), 1, 0)
  if name == 'quadruped:escape' and not opengl.mujoco_draws():
    # The one that draws its terrain at each reset.
    with pytest.raises(RuntimeError, match='because No OpenGL rendering'):
      environment.reset()
    return
  environment.reset()
  environment.observation_spec().validate(environment.step(
      np.zeros((1, *environment.action_spec().shape))).observation[0])
  environment.close()
