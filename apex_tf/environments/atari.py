"""Atari games, emulated and preprocessed by ALE's vector environment in C++.

The preprocessing is DQN's (Mnih et al. 2015): each action for four emulator
frames, the maximum over the last two of them, grey, 84 x 84, the last frames
stacked. Before an episode's first frame the stack holds zeros.
"""

import difflib
import os
from typing import Any, Dict, List, NamedTuple, Optional

from acme import specs
import ale_py
from ale_py import roms
from ale_py.vector_env import AtariVectorEnv
import dm_env
import numpy as np

from apex_tf import config as config_lib
from apex_tf.environments import base
from apex_tf.environments import batching

FRAMES_PER_AGENT_STEP = 4

_FRAME_SHAPE = (84, 84)
_SCREEN_SHAPE = (210, 160)
_NUM_ACTIONS = 18
# ROMs that have only games of two and more players.
_MULTIPLAYER = ('combat', 'joust', 'maze_craze', 'warlords')
_MAX_NOOPS = 30
_STICKY_PROBABILITY = 0.25
# ALE's own limit of an episode: none. (It adds 1 to it, as an int.)
_NO_LIMIT = 2**30


class Protocol(NamedTuple):
  """The rules of play that a configuration comes to; see `AtariEnvironment`.

  Attributes:
    max_episode_steps: agent steps after which an episode is truncated.
    repeat_action_probability: of one emulator frame.
    max_noops: bound of the no-ops before an episode.
    zero_discount_on_life_loss: a life loss has discount 0.
  """
  max_episode_steps: int
  repeat_action_probability: float
  max_noops: int
  zero_discount_on_life_loss: bool


class AtariEnvironment(batching.VectorEnvironment):
  """A batch of one Atari game, stepped in threads.

  An episode starts with a number of no-ops between 0 and `max_noops`; they
  count neither as agent steps nor towards the limit of an episode.

  A life loss is the number of lives going down. ALE's own signal for it,
  `life_loss_info`, is not used: it is one and the same flag as a game over,
  and hides a truncation that comes with it.

  Truncation is not left to ALE: at its limit, it returns a final observation
  in which the maximum runs over frames of two steps.

  ALE's vector environment gives the frames that it was made for, and nothing
  else. So where there are to be pictures, a second emulator plays the first
  environment's game with its seed and its actions, in colour and in full size:
  what ALE draws at random comes from that seed alone.
  """

  frames_per_agent_step = FRAMES_PER_AGENT_STEP
  render_fps = 60.0 / FRAMES_PER_AGENT_STEP

  def __init__(self,
               game: str,
               num_environments: int,
               seed: int,
               max_episode_steps: int,
               num_frames_stacked: int = 4,
               full_action_set: bool = True,
               repeat_action_probability: float = 0.0,
               max_noops: int = _MAX_NOOPS,
               zero_discount_on_life_loss: bool = False,
               num_threads: Optional[int] = None,
               render: bool = False):
    """Starts the emulators and their threads.

    Args:
      game: one of `games()`.
      num_environments: E.
      seed: environment i is seeded with (seed + i) modulo 2^31 at the first
        `reset`, and continues its random sequence from then on.
      max_episode_steps: agent steps after which an episode is truncated.
      num_frames_stacked: frames in one observation.
      full_action_set: all 18 actions, otherwise those the game uses.
      repeat_action_probability: that one emulator frame repeats the previous
        action instead (sticky actions, Machado et al. 2018).
      max_noops: bound of the no-ops before an episode.
      zero_discount_on_life_loss: a life loss has discount 0, and the episode
        goes on.
      num_threads: that emulate; None is one for each environment, and no more
        than this process has cores.
      render: whether there are to be pictures.

    Raises:
      ValueError: an argument out of range.
    """
    super().__init__(seed, num_environments)
    self.name = game
    if num_threads is None:
      num_threads = min(num_environments, len(os.sched_getaffinity(0)))
    for name, value in (('max_episode_steps', max_episode_steps),
                        ('num_threads', num_threads)):
      if value < 1:
        raise ValueError(f'{name} is {value}, but must be at least 1')
    self._max_episode_steps = max_episode_steps
    self._zero_discount_on_life_loss = zero_discount_on_life_loss
    game_options: Dict[str, Any] = dict(
        game=game,
        max_num_frames_per_episode=_NO_LIMIT,
        repeat_action_probability=repeat_action_probability,
        full_action_space=full_action_set,
        autoreset_mode='NextStep',
        frameskip=FRAMES_PER_AGENT_STEP,
        # ALE draws from 0 to noop_max - 1.
        noop_max=max_noops + 1,
        reward_clipping=False,
        use_fire_reset=False)
    # Any, because `close` drops it: only so do its threads end.
    self._vector: Any = AtariVectorEnv(
        num_envs=num_environments,
        num_threads=num_threads,
        img_height=_FRAME_SHAPE[0],
        img_width=_FRAME_SHAPE[1],
        stack_num=num_frames_stacked,
        **game_options)
    self._shown: Any = AtariVectorEnv(
        num_envs=1,
        num_threads=1,
        img_height=_SCREEN_SHAPE[0],
        img_width=_SCREEN_SHAPE[1],
        grayscale=False,
        stack_num=1,
        **game_options) if render else None
    self._observation_spec = _observation_spec(num_frames_stacked)
    self._action_spec = _action_spec(
        len(self._vector.ale.get_action_set()))
    self._picture = np.zeros((*_SCREEN_SHAPE, 3), np.uint8)
    # Of each environment at its newest step.
    self._lives = np.zeros(num_environments, np.int32)
    self._episode_steps = np.zeros(num_environments, np.int64)
    self._terminated = np.zeros(num_environments, np.bool_)
    self._truncated = np.zeros(num_environments, np.bool_)

  def _reset(self, seeds: Optional[List[int]]) -> np.ndarray:
    observation, info = self._vector.reset(
        seed=None if seeds is None else np.array(seeds))
    if self._shown is not None:
      picture, _ = self._shown.reset(
          seed=None if seeds is None else np.array(seeds[:1]))
      self._picture = picture[0, 0]
    self._lives = info['lives']
    self._episode_steps[:] = 0
    self._terminated[:] = False
    self._truncated[:] = False
    return observation

  def _begin(self, action: np.ndarray) -> None:
    self._vector.send(action.astype(np.int32))
    if self._shown is not None:
      self._shown.send(action[:1].astype(np.int32))

  def _end(self) -> dm_env.TimeStep:
    observation, reward, terminated, _, info = self._vector.recv()
    if self._shown is not None:
      self._show_step()
    is_first = self._terminated | self._truncated
    if self._truncated.any():
      # These games have played on; the others answer as they did above.
      observation, info = self._vector.reset(
          options={'reset_mask': self._truncated})
    lives = info['lives']
    life_lost = (lives < self._lives) & self._zero_discount_on_life_loss
    self._lives = lives
    self._episode_steps = np.where(is_first, 0, self._episode_steps + 1)
    self._terminated = terminated & ~is_first
    self._truncated = ~self._terminated & (
        self._episode_steps >= self._max_episode_steps)
    return batching.next_timestep(
        observation, reward, self._terminated, self._truncated, is_first,
        life_lost)

  def observation_spec(self) -> specs.Array:
    """Of one environment: `<uint8>[stack, 84, 84]`."""
    return self._observation_spec

  def action_spec(self) -> specs.DiscreteArray:
    """Of one environment."""
    return self._action_spec

  def _show_step(self) -> None:
    picture = self._shown.recv()[0]
    if self._truncated[0]:  # As in `_end`.
      picture, _ = self._shown.reset(options={'reset_mask': np.array([True])})
    self._picture = picture[0, 0]

  def _draw(self) -> np.ndarray:
    """The emulator's screen, `<uint8>[210, 160, 3]`."""
    if self._shown is None:
      raise ValueError('it was not made with render')
    return self._picture

  def close(self) -> None:
    """Ends the emulators and their threads."""
    self._vector = self._shown = None


def games() -> List[str]:
  """The names of all games, in snake_case as ALE has them."""
  return sorted(set(roms.get_all_rom_ids()) - set(_MULTIPLAYER))


def make(config: config_lib.EnvironmentConfig, num_environments: int,
         seed: int, evaluation: bool, render: bool = False) -> AtariEnvironment:
  """A batch of a game under the protocol of the configuration.

  Args:
    config: of the suite atari.
    num_environments: E.
    seed: see `AtariEnvironment`.
    evaluation: without the signal of a life loss, and with
      `evaluation_max_episode_frames` instead of `max_episode_frames`.
    render: see `AtariEnvironment`.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  check(config)
  rules = protocol(config, evaluation)
  return AtariEnvironment(
      config.game,
      num_environments,
      seed,
      max_episode_steps=rules.max_episode_steps,
      num_frames_stacked=config.num_frames_stacked,
      full_action_set=config.full_action_set,
      repeat_action_probability=rules.repeat_action_probability,
      max_noops=rules.max_noops,
      zero_discount_on_life_loss=rules.zero_discount_on_life_loss,
      render=render)


def protocol(config: config_lib.EnvironmentConfig,
             evaluation: bool) -> Protocol:
  """The rules of play, of training or of evaluation."""
  max_frames = (config.evaluation_max_episode_frames if evaluation
                else config.max_episode_frames)
  max_steps = -(-max_frames // FRAMES_PER_AGENT_STEP)
  if config.max_episode_steps:
    max_steps = min(max_steps, config.max_episode_steps)
  is_apex = config.atari_protocol == 'apex2018'
  return Protocol(
      max_episode_steps=max_steps,
      repeat_action_probability=0.0 if is_apex else _STICKY_PROBABILITY,
      max_noops=_MAX_NOOPS if is_apex else 0,
      zero_discount_on_life_loss=is_apex and not evaluation)


def make_spec(config: config_lib.EnvironmentConfig) -> specs.EnvironmentSpec:
  """What `make` will give, without starting it.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  check(config)
  num_actions = _NUM_ACTIONS
  if not config.full_action_set:
    rom = roms.get_rom_path(config.game)
    assert rom is not None, config.game
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    emulator = ale_py.ALEInterface()
    emulator.loadROM(rom)
    num_actions = len(emulator.getMinimalActionSet())
  return specs.EnvironmentSpec(
      observations=_observation_spec(config.num_frames_stacked),
      actions=_action_spec(num_actions),
      rewards=base.REWARD_SPEC,
      discounts=base.DISCOUNT_SPEC)


def check(config: config_lib.EnvironmentConfig) -> None:
  """Checks the fields that only ALE can judge.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  known = games()
  if config.game not in known:
    close = difflib.get_close_matches(config.game.lower(), known, n=1)
    hint = f'; did you mean {close[0]}?' if close else ''
    raise ValueError(
        f'environment.game is {config.game!r}, but must be one of the '
        f'{len(known)} games of ALE in snake_case, such as ms_pacman{hint}')
  if config.atari_protocol == 'machado2018' and not config.full_action_set:
    raise ValueError(
        'environment.full_action_set is False, but must be True where '
        'environment.atari_protocol is machado2018, which plays all 18 actions')


def _observation_spec(num_frames_stacked: int) -> specs.Array:
  return specs.Array((num_frames_stacked, *_FRAME_SHAPE), np.uint8,
                     name='observation')


def _action_spec(num_actions: int) -> specs.DiscreteArray:
  return specs.DiscreteArray(num_actions, np.int32, name='action')
