"""Pictures of real environments, for videos."""

from typing import Any, Dict

import gymnasium
import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf.environments import batching
from apex_tf.environments import gymnasium_vector
from apex_tf.environments import pictures
from tests import opengl
from tests import scripted_environment


class _Plain(gymnasium.Env):
  """Cannot be drawn."""

  observation_space = gymnasium.spaces.Box(-1, 1, (2,))
  action_space = gymnasium.spaces.Discrete(2)


class _Liar(_Plain):
  """Says that it can be drawn, and does not take a render mode."""

  metadata = {'render_modes': ['rgb_array'], 'render_fps': 5}


for _name in ('Plain', 'Liar'):
  gymnasium.register(f'apex_tf/{_name}-v0', f'{__name__}:_{_name}')


def _make(render: bool = True, **fields: Any) -> Any:
  return environments.make_environment(
      config_lib.EnvironmentConfig(**fields), 2, 0, render=render)


@pytest.mark.parametrize('fields, shape, render_fps', [
    ({}, (400, 600, 3), 50.0),
    ({'id': 'HalfCheetah-v5', 'num_frames_stacked': 2}, (480, 480, 3), 20.0),
    ({'suite': 'minatar', 'game': 'breakout'}, (160, 160, 3), 30.0),
    ({'suite': 'atari', 'game': 'pong', 'num_frames_stacked': 4},
     (210, 160, 3), 15.0),
    # Steps of 0.025 seconds.
    ({'suite': 'control', 'id': 'walker:walk'}, (240, 320, 3), 40.0),
])
def test_pictures_show_what_happens(fields: Dict[str, Any], shape: Any,
                                    render_fps: float) -> None:
  environment = _make(**fields)
  assert environment.render_fps == pytest.approx(render_fps)
  environment.reset()
  spec = environment.action_spec()
  is_mujoco = not {'HalfCheetah-v5', 'walker:walk'}.isdisjoint(fields.values())
  if is_mujoco and not opengl.mujoco_draws():
    with pytest.raises(ValueError, match=' cannot be rendered: '):
      environment.render()
    return
  before = environment.render()
  assert (before.shape, before.dtype) == (shape, np.uint8)
  assert len(np.unique(before)) > 1
  copied = before.copy()
  np.testing.assert_array_equal(environment.render(), before)
  # It is environment 0 that is shown: the other one acts at random.
  for _ in range(25):
    environment.step(np.ones((2, *spec.shape), spec.dtype))
  after = environment.render()
  assert (after != before).any()
  np.testing.assert_array_equal(before, copied)
  environment.close()


def test_the_picture_is_of_the_first_environment() -> None:
  environment = _make(suite='minatar', game='breakout')
  timestep = environment.reset()
  for _ in range(40):
    timestep = environment.step(np.array([0, 1]))
    # Where the first one's channels are all off, and only there, is black.
    picture = environment.render()[::16, ::16]
    np.testing.assert_array_equal((picture > 0).any(axis=-1),
                                  timestep.observation[0, -1].any(axis=-1))


@pytest.mark.parametrize('protocol', ['apex2018', 'machado2018'])
def test_atari_is_shown_as_it_is_played(protocol: str) -> None:
  # Over several episodes, some of them cut: what the agent sees is the screen,
  # in grey and scaled down.
  environment = _make(suite='atari', game='pong', num_frames_stacked=2,
                      atari_protocol=protocol, max_episode_steps=150)
  environment.reset()
  rng = np.random.default_rng(0)
  distances = []
  for _ in range(400):
    timestep = environment.step(rng.integers(18, size=2))
    grey = environment.render() @ np.array([0.299, 0.587, 0.114])
    # Means over 7 x 10 blocks of the screen's 210 x 160, and of the 84 x 84,
    # which divides by neither.
    blocks = grey.reshape(7, 30, 10, 16).mean(axis=(1, 3))
    seen = np.kron(timestep.observation[:, -1], np.ones((5, 40)))
    seen = seen.reshape(2, 7, 60, 10, 336).mean(axis=(2, 4))
    distances.append(np.abs(blocks - seen).max(axis=(1, 2)))
  # What scaling rounds away; the other environment plays its own game.
  first, second = np.mean(distances, axis=0)
  assert first < 2.0
  assert np.max(distances, axis=0)[0] < 8.0
  assert second > 4.0
  environment.close()


@pytest.mark.filterwarnings('ignore')
def test_environments_that_cannot_be_rendered(
    monkeypatch: pytest.MonkeyPatch) -> None:
  with pytest.raises(ValueError) as error:
    _make(id='apex_tf/Plain-v0')
  assert str(error.value) == (
      "environment.id is 'apex_tf/Plain-v0', but must be a task that can be "
      'rendered: its render_modes are [], and rgb_array is needed')
  with pytest.raises(ValueError) as error:
    _make(id='apex_tf/Liar-v0')
  assert str(error.value).startswith(
      "environment.id is 'apex_tf/Liar-v0', but must be an id that gymnasium "
      'can make: ')
  # Made for training: nothing to be seen, but nothing is refused either.
  environment = _make(render=False, id='apex_tf/Plain-v0')
  with pytest.raises(ValueError, match='Plain-v0 cannot be rendered: '):
    environment.render()
  monkeypatch.setattr(gymnasium_vector.GymnasiumVectorEnvironment, '_draw',
                      batching.VectorEnvironment._draw)
  with pytest.raises(
      ValueError, match='Plain-v0 cannot be rendered: it draws no picture$'):
    environment.render()
  environment = scripted_environment.ScriptedEnvironment(
      scripted_environment.Script([[]]))
  with pytest.raises(ValueError, match='the environment cannot be rendered'):
    environment.render()
  assert environment.render_fps == 30.0


def test_rendering_in_training_needs_the_argument() -> None:
  environment = _make(render=False)
  environment.reset()
  with pytest.raises(ValueError, match='^CartPole-v1 cannot be rendered: '):
    environment.render()


@pytest.mark.parametrize('shape, factor', [
    ((1, 3), 160), ((80, 100), 2), ((81, 100), 2), ((159, 10), 2),
    ((160, 10), 1), ((400, 600), 1)])
def test_small_pictures_are_enlarged(shape: Any, factor: int) -> None:
  image = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
  picture = pictures.to_picture(image)
  assert picture.shape == (shape[0] * factor, shape[1] * factor, 3)
  assert picture.dtype == np.uint8
  for row in range(factor):
    for column in range(min(factor, 3)):
      for colour in range(3):
        np.testing.assert_array_equal(
            picture[row::factor, column::factor, colour], image)


def test_kinds_of_images() -> None:
  floats = np.array([[[0.0, 0.5, 1.0]]])
  assert pictures.to_picture(floats)[0, 0].tolist() == [0, 128, 255]
  colours = np.array([[[1, 2, 3]]], np.uint8)
  assert pictures.to_picture(colours)[-1, -1].tolist() == [1, 2, 3]
  for bad in (None, np.zeros((2, 2, 4)), np.zeros(3), np.zeros((0, 2)), []):
    with pytest.raises(ValueError, match='the picture is .* but must be of'):
      pictures.to_picture(bad)
