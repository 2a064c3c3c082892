"""A batched environment that plays episodes written down beforehand.

Whatever is asked of it can be worked out from the script alone: its frames say
which environment, episode and time they belong to, so that a frame in the
wrong place is seen at once.
"""

import dataclasses
from typing import Any, List, Sequence, Tuple

from acme import specs
import dm_env
import numpy as np

from apex_tf.environments import base

# Bytes of a frame that say where it comes from.
_HEADER = 5


@dataclasses.dataclass(frozen=True)
class Episode:
  """The script of one episode.

  Attributes:
    rewards: of its steps, as many as the episode has.
    terminates: otherwise it is truncated.
    life_losses: steps, counted from 0, with discount 0 after which the episode
      goes on.
    breaks: its last step is a MID like the others, and then the simulator
      breaks: the time step after it is the FIRST of the next episode.
  """
  rewards: Tuple[float, ...]
  terminates: bool = True
  life_losses: Tuple[int, ...] = ()
  breaks: bool = False

  @property
  def length(self) -> int:
    return len(self.rewards)

  def discount(self, step: int) -> float:
    """That comes with the reward of a step."""
    ends_here = (self.terminates and not self.breaks and
                 step == self.length - 1)
    return 0.0 if ends_here or step in self.life_losses else 1.0


def make_frame(environment: int, episode: int, time: int, size: int = _HEADER,
               dtype: Any = np.uint8) -> np.ndarray:
  """The frame of one moment, `<dtype>[size]`; never all zeros.

  Values after the first five are noise that does not compress.
  """
  noise = np.random.default_rng((environment, episode, time)).integers(
      256, size=size - _HEADER)
  header = [environment + 1, *divmod(episode, 256), *divmod(time, 256)]
  return np.concatenate([header, noise]).astype(dtype)


def where(frame: np.ndarray) -> Tuple[int, int, int]:
  """Environment, episode and time of a frame."""
  values = [int(value) for value in frame[:_HEADER]]
  return (values[0] - 1, 256 * values[1] + values[2],
          256 * values[3] + values[4])


@dataclasses.dataclass(frozen=True)
class Script:
  """What all environments play; each starts again when it is through.

  Attributes:
    episodes: for each environment, its episodes.
    num_stacked: frames in one observation.
    repeats_first: pads the first stacks with copies of the first frame, and
      otherwise with zeros.
    frame_size: numbers in one frame.
    dtype: of the frames.
  """
  episodes: Sequence[Sequence[Episode]]
  num_stacked: int = 1
  repeats_first: bool = False
  frame_size: int = _HEADER
  dtype: Any = np.uint8

  def episode(self, environment: int, episode: int) -> Episode:
    own = self.episodes[environment]
    return own[episode % len(own)]

  def observation(self, environment: int, episode: int,
                  time: int) -> np.ndarray:
    """`<dtype>[num_stacked, frame_size]`, the newest frame last."""
    frames = []
    for moment in range(time - self.num_stacked + 1, time + 1):
      if moment < 0 and not self.repeats_first:
        frames.append(np.zeros(self.frame_size, self.dtype))
      else:
        frames.append(
            make_frame(environment, episode, max(moment, 0), self.frame_size,
                       self.dtype))
    return np.stack(frames)


class ScriptedEnvironment(base.BatchedEnvironment):
  """Plays a `Script`, whatever the actions.

  Attributes:
    actions: all that were ever taken, one `[E]` a step.
  """

  def __init__(self, script: Script, num_actions: int = 100,
               frames_per_agent_step: int = 1):
    self.script = script
    self.frames_per_agent_step = frames_per_agent_step
    self.actions: List[np.ndarray] = []
    self._num_actions = num_actions
    self._episodes = [-1] * self.num_environments
    self._times = [0] * self.num_environments
    self._over = [True] * self.num_environments
    self._num_broken_episodes = 0

  @property
  def num_environments(self) -> int:
    return len(self.script.episodes)

  @property
  def num_broken_episodes(self) -> int:
    return self._num_broken_episodes

  def reset(self) -> dm_env.TimeStep:
    """Every environment begins its next episode."""
    self._over = [True] * self.num_environments
    return self._advance()

  def step(self, action: np.ndarray) -> dm_env.TimeStep:
    assert action.shape == (self.num_environments,)
    self.actions.append(action)
    return self._advance()

  def observation_spec(self) -> specs.BoundedArray:
    script = self.script
    return specs.BoundedArray((script.num_stacked, script.frame_size),
                              script.dtype, 0, 255)

  def action_spec(self) -> specs.DiscreteArray:
    return specs.DiscreteArray(self._num_actions)

  def spec(self) -> specs.EnvironmentSpec:
    return specs.make_environment_spec(self)

  def _advance(self) -> dm_env.TimeStep:
    steps = [self._advance_one(i) for i in range(self.num_environments)]
    return dm_env.TimeStep(
        step_type=np.array([step.step_type for step in steps], np.int32),
        reward=np.array([step.reward for step in steps], np.float32),
        discount=np.array([step.discount for step in steps], np.float32),
        observation=np.stack([step.observation for step in steps]))

  def _advance_one(self, index: int) -> dm_env.TimeStep:
    if self._over[index]:
      self._num_broken_episodes += self._broke(index)
      self._over[index] = False
      self._episodes[index] += 1
      self._times[index] = 0
      return dm_env.TimeStep(dm_env.StepType.FIRST, 0.0, 1.0,
                             self._observe(index))
    episode = self.script.episode(index, self._episodes[index])
    step = self._times[index]
    self._times[index] += 1
    self._over[index] = self._times[index] == episode.length
    is_last = self._over[index] and not episode.breaks
    return dm_env.TimeStep(
        dm_env.StepType.LAST if is_last else dm_env.StepType.MID,
        episode.rewards[step], episode.discount(step), self._observe(index))

  def _broke(self, index: int) -> bool:
    """Whether an environment's episode, which is over, broke off."""
    number = self._episodes[index]
    if number < 0:
      return False
    episode = self.script.episode(index, number)
    return episode.breaks and self._times[index] == episode.length

  def _observe(self, index: int) -> np.ndarray:
    return self.script.observation(index, self._episodes[index],
                                   self._times[index])
