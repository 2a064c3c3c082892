"""An oracle: a single emulator, driven and preprocessed here in numpy."""

from typing import Iterator, List, NamedTuple

import ale_py
from ale_py import roms
import dm_env
import numpy as np

FIRST, MID, LAST = dm_env.StepType


def _area_weights(size_in: int, size_out: int) -> np.ndarray:
  """`[out, in]`: the share of each input pixel in each output pixel."""
  edges = np.arange(size_out + 1) * (size_in / size_out)
  pixels = np.arange(size_in)
  overlap = (np.minimum(edges[1:, None], pixels + 1) -
             np.maximum(edges[:-1, None], pixels))
  return np.maximum(overlap, 0.0) * (size_out / size_in)


_ROWS, _COLUMNS = _area_weights(210, 84), _area_weights(160, 84)


def _resize(screen: np.ndarray) -> np.ndarray:
  return _ROWS @ screen @ _COLUMNS.T


class Step(NamedTuple):
  step_type: int
  reward: int
  discount: float
  frame: np.ndarray
  lives: int


class Emulator:
  """One game without no-ops, by the plain interface of ALE."""

  def __init__(self, game: str, seed: int, sticky: float):
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    self._ale = ale_py.ALEInterface()
    self._ale.setInt('random_seed', seed)
    self._ale.setFloat('repeat_action_probability', sticky)
    rom = roms.get_rom_path(game)
    assert rom is not None
    self._ale.loadROM(rom)
    self._actions = self._ale.getLegalActionSet()

  def _screen(self) -> np.ndarray:
    return self._ale.getScreenGrayscale().astype(np.float64)

  def frames_of_noops(self, count: int) -> List[np.ndarray]:
    """The first frame after 0, 1, ..., `count` no-ops."""
    self._ale.reset_game()
    frames = [_resize(self._screen())]
    for _ in range(count):
      self._ale.act(self._actions[0])
      frames.append(_resize(self._screen()))
    return frames

  def play(self, actions: np.ndarray, max_steps: int) -> Iterator[Step]:
    """The action after a LAST only resets."""
    self._ale.reset_game()
    yield Step(FIRST, 0, 1.0, _resize(self._screen()), self._ale.lives())
    ended, length = False, 0
    for action in actions:
      if ended:
        self._ale.reset_game()
        ended, length = False, 0
        yield Step(FIRST, 0, 1.0, _resize(self._screen()), self._ale.lives())
        continue
      reward = 0
      screens: List[np.ndarray] = []
      while len(screens) < 4 and not self._ale.game_over():
        reward += self._ale.act(self._actions[action])
        screens.append(self._screen())
      length += 1
      over = self._ale.game_over()
      ended = over or length == max_steps
      yield Step(LAST if ended else MID, reward, 0.0 if over else 1.0,
                  _resize(np.maximum(*screens[-2:])) if len(screens) > 1 else
                  _resize(screens[0]), self._ale.lives())
