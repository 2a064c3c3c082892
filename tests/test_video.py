"""Environments that are filmed: the first episode, whole or not at all."""

import importlib.util
import os

from acme import specs
import dm_env
import gymnasium
import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf import film as film_lib
from apex_tf import video
from apex_tf.environments import batching
from tests import films
from tests import opengl


@pytest.fixture(autouse=True)
def _no_screen(monkeypatch):
  if not os.environ.get('DISPLAY'):
    monkeypatch.setenv('SDL_VIDEODRIVER', 'dummy')


def _record(path, num_environments=2, seed=0, **fields):
  config = config_lib.EnvironmentConfig(**fields)
  return video.record(
      lambda: environments.make_environment(
          config, num_environments, seed, evaluation=True, render=True),
      str(path))


def _play(environment, actions, num_steps):
  """Plays the same actions; the step at which environment 0 first ended."""
  timestep = environment.reset()
  assert (timestep.step_type == dm_env.StepType.FIRST).all()
  ended = None
  for step in range(1, num_steps + 1):
    timestep = environment.step(actions)
    if ended is None and timestep.step_type[0] == dm_env.StepType.LAST:
      ended = step
  return ended


def test_film_of_cartpole(tmp_path):
  path = tmp_path / 'film.mp4'
  environment = _record(path, id='CartPole-v1')
  ended = _play(environment, np.array([1, 0]), 60)
  environment.close()
  frames, frames_per_second = films.read(path)
  assert 7 < ended < 12
  # The first frame, and one for each step of the first episode.
  assert len(frames) == ended + 1
  assert frames_per_second == pytest.approx(50, rel=0.01)
  assert frames[0].shape == (400, 600, 3)
  # It moves to the right.
  carts = [np.argwhere(frame[290:310].max(axis=-1) < 60)[:, 1].mean()
           for frame in frames]
  assert carts[-1] > carts[0] + 5
  assert os.listdir(tmp_path) == ['film.mp4']


def test_the_film_is_what_was_seen(tmp_path):
  """Against the same episode drawn by gymnasium alone."""
  path = tmp_path / 'film.mp4'
  environment = _record(path, id='Pendulum-v1', num_environments=1, seed=5,
                        max_episode_steps=20)
  assert _play(environment, np.array([[0.5]], np.float32), 20) == 20
  environment.close()
  alone = gymnasium.make('Pendulum-v1', render_mode='rgb_array')
  alone.reset(seed=5)
  expected = [alone.render()]
  for _ in range(20):
    alone.step(np.array([1.0], np.float32))  # Half of a range of 2.
    expected.append(alone.render())
  alone.close()
  frames, frames_per_second = films.read(path)
  assert len(frames) == len(expected) == 21
  assert frames_per_second == pytest.approx(30, rel=0.01)
  for frame, other in zip(frames, expected):
    # Compression, but the right picture: others differ by much more.
    difference = np.abs(frame.astype(int) - other)
    assert (difference > 100).mean() < 0.002


def test_gif_is_small(tmp_path):
  path = tmp_path / 'film.GIF'
  environment = _record(path, id='CartPole-v1', max_episode_steps=9)
  assert _play(environment, np.array([0, 1]), 9) <= 9
  environment.close()
  frames, frames_per_second = films.read(path)
  # Every fourth frame of 50 in a second.
  assert len(frames) == 3
  assert frames_per_second == pytest.approx(12.5, rel=0.05)
  assert frames[0].shape == (213, 320, 3)
  # White ground and a black cart: the palette is right.
  assert frames[0][5, 5].min() > 240
  assert frames[0].min() < 20


class _Script(batching.VectorEnvironment):
  """Time steps by a script; the picture's grey counts the steps."""

  name = 'script'
  frames_per_agent_step = 4
  render_fps = 10.0

  def __init__(self, step_types):
    super().__init__(0, 1)
    self._step_types = list(step_types)
    self.num_rendered = 0
    self.closed = False

  @property
  def num_broken_episodes(self):
    return 3

  def _reset(self, seeds):
    return np.zeros((1, 1, 1), np.float32)

  def _end(self):
    timestep = batching.first_timestep(np.zeros((1, 1, 1), np.float32))
    return timestep._replace(
        step_type=np.array([self._step_types.pop(0)], np.int32))

  def observation_spec(self):
    return specs.Array((1, 1), np.float32)

  def action_spec(self):
    return specs.DiscreteArray(2, np.int32)

  def render(self):
    self.num_rendered += 1
    return np.full((20, 20, 3), 10 * self.num_rendered, np.uint8)

  def close(self):
    self.closed = True


_FIRST, _MID, _LAST = range(3)


def test_only_the_first_episode_is_rendered(tmp_path):
  script = _Script([_MID, _LAST, _FIRST, _MID, _LAST])
  environment = video.RecordedEnvironment(script, str(tmp_path / 'a.mp4'))
  environment.reset()
  for step in range(5):
    # Whole as soon as the episode is over.
    assert (tmp_path / 'a.mp4').exists() == (step >= 2)
    environment.step(np.array([0]))
  assert script.num_rendered == 3
  environment.close()
  assert script.closed
  assert len(films.read(tmp_path / 'a.mp4')[0]) == 3


def test_an_episode_that_broke_off_is_not_the_film(tmp_path):
  script = _Script([_MID, _FIRST, _MID, _LAST])
  environment = video.RecordedEnvironment(script, str(tmp_path / 'a.mp4'))
  environment.reset()
  for _ in range(4):
    environment.step(np.array([0]))
  environment.close()
  frames, _ = films.read(tmp_path / 'a.mp4')
  # Pictures 3 to 5.
  assert [round(frame.mean() / 10) for frame in frames] == [3, 4, 5]


def test_an_episode_without_an_end_leaves_nothing(tmp_path):
  (tmp_path / 'a.mp4').write_text('older')
  environment = video.RecordedEnvironment(
      _Script([_MID, _MID]), str(tmp_path / 'a.mp4'))
  environment.reset()
  environment.step(np.array([0]))
  assert len(os.listdir(tmp_path)) == 2
  environment.close()
  assert os.listdir(tmp_path) == ['a.mp4']
  assert (tmp_path / 'a.mp4').read_text() == 'older'


def test_ctrl_c_at_the_first_frame_leaves_nothing(tmp_path, monkeypatch):
  def interrupt(*_):
    raise KeyboardInterrupt

  monkeypatch.setattr(film_lib.Film, 'add', interrupt)
  script = _Script([])
  with pytest.raises(KeyboardInterrupt):
    video.record(lambda: script, str(tmp_path / 'a.mp4'))
  assert script.closed
  assert not os.listdir(tmp_path)


def test_it_is_the_environment_otherwise(tmp_path):
  script = _Script([])
  environment = video.RecordedEnvironment(script, str(tmp_path / 'a.mp4'))
  for name in ('num_environments', 'num_broken_episodes', 'name',
               'frames_per_agent_step', 'render_fps'):
    assert getattr(environment, name) == getattr(script, name)
  for name in ('observation_spec', 'action_spec', 'reward_spec',
               'discount_spec'):
    assert getattr(environment, name)() == getattr(script, name)()
  environment.close()


def test_filming_changes_no_episode(tmp_path):
  config = config_lib.EnvironmentConfig(id='CartPole-v1')
  plain = environments.make_environment(config, 2, seed=3, evaluation=True)
  filmed = _record(tmp_path / 'a.mp4', seed=3, id='CartPole-v1')
  one, other = plain.reset(), filmed.reset()
  for _ in range(40):
    for part, same in zip(one, other):
      np.testing.assert_array_equal(part, same)
    action = np.array([1, 0])
    one, other = plain.step(action), filmed.step(action)
  plain.close()
  filmed.close()


def test_control_is_filmed_or_says_what_is_missing(tmp_path):
  path = tmp_path / 'film.mp4'

  def record():
    return _record(path, suite='control', id='cartpole:swingup',
                   num_environments=1, max_episode_steps=5)

  if not opengl.mujoco_draws():
    with pytest.raises(ValueError) as error:
      record()
    message = str(error.value)
    assert message.startswith(
        f"video is '{path}', but must not be given here: cartpole:swingup "
        'cannot be rendered: ')
    assert message.endswith(
        '(MuJoCo draws with EGL, by the packages libegl1 and libgl1-mesa-dri, '
        'or libosmesa6 together with MUJOCO_GL=osmesa)')
    assert '\n' not in message
    assert not os.listdir(tmp_path)
    return
  environment = record()
  assert _play(environment, np.zeros((1, 1), np.float32), 5) == 5
  environment.close()
  frames, _ = films.read(path)
  assert len(frames) == 6
  assert np.std(frames[0]) > 10  # Something is to be seen.


def test_what_cannot_be_rendered(tmp_path, monkeypatch):
  monkeypatch.setattr(_Script, 'render', environments.BatchedEnvironment.render)
  script = _Script([])
  with pytest.raises(ValueError, match="video is '.*', but must not be given "
                     'here: script cannot be rendered'):
    video.record(lambda: script, str(tmp_path / 'a.mp4'))
  assert script.closed
  assert not os.listdir(tmp_path)


def test_paths_that_are_refused(tmp_path, monkeypatch):
  def refusal(path):
    with pytest.raises(ValueError) as error:
      video.check(str(path))
    message = str(error.value)
    assert message.startswith(f"video is '{path}', but must ")
    return message.partition(', but must ')[2]

  video.check(str(tmp_path / 'a.mp4'))
  video.check(str(tmp_path / 'a.GIF'))
  assert refusal('') == 'be a path that ends in .mp4 or .gif'
  assert refusal('film.avi') == 'be a path that ends in .mp4 or .gif'
  assert refusal(tmp_path / 'no' / 'a.mp4') == (
      f'be in a directory that exists, but {tmp_path}/no does not')
  (tmp_path / 'd.mp4').mkdir()
  assert refusal(tmp_path / 'd.mp4') == (
      'be the path of a file, not of a directory')
  monkeypatch.setattr(os, 'access', lambda *_, **__: False)
  assert refusal(tmp_path / 'a.mp4') == (
      f'be in a directory that may be written, but {tmp_path} may not')
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  assert refusal(tmp_path / 'a.mp4') == (
      'not be given unless imageio is installed: pip install apex_tf[video]')
  assert sorted(os.listdir(tmp_path)) == ['d.mp4']
