"""The loop between a batch of environments and an actor."""

from typing import List, NamedTuple, Optional

from acme import core
import dm_env
import numpy as np

from apex_tf.environments import base as environments


class Episode(NamedTuple):
  """A finished episode.

  Attributes:
    environment: index in the batch.
    episode_return: sum of its raw rewards.
    clipped_return: sum of its rewards as learning sees them.
    length: in agent steps.
  """
  environment: int
  episode_return: float
  clipped_return: float
  length: int


class EnvironmentLoop:
  """Steps all environments and the actor once at a time.

  Acme's own loop runs whole episodes of one environment; environments in a
  batch end at different times, so the step is the unit here.
  """

  def __init__(self, environment: environments.BatchedEnvironment,
               actor: core.Actor, reward_clip: float = 0.0):
    """Initializes a loop; environments are reset by the first `step`.

    Args:
      environment: of E environments.
      actor: with the same leading batch dimension.
      reward_clip: as learning has it, for `clipped_return`; 0 for none.
    """
    self._environment = environment
    self._actor = actor
    self._reward_clip = reward_clip or np.inf
    self._timestep: Optional[dm_env.TimeStep] = None
    num_environments = environment.num_environments
    self._returns = np.zeros(num_environments, np.float64)
    self._clipped_returns = np.zeros(num_environments, np.float64)
    self._lengths = np.zeros(num_environments, np.int64)
    self.agent_steps = 0

  @property
  def environment_frames(self) -> int:
    """Emulator frames played so far."""
    return self.agent_steps * self._environment.frames_per_agent_step

  @property
  def broken_episodes(self) -> int:
    """Episodes that a simulator broke off; `step` does not return them."""
    return self._environment.num_broken_episodes

  def step(self) -> List[Episode]:
    """One policy call, one step of every environment.

    Returns:
      The episodes that ended with it.
    """
    if self._timestep is None:
      self._timestep = self._environment.reset()
      self._actor.observe_first(self._timestep)
    action = self._actor.select_action(self._timestep.observation)
    self._environment.begin_step(action)
    # While the environments step: what was observed before goes to replay.
    self._actor.update()
    self._timestep = self._environment.end_step()
    self._actor.observe(action, self._timestep)
    return self._count(self._timestep)

  def _count(self, timestep: dm_env.TimeStep) -> List[Episode]:
    """Adds up rewards; the step that resets an environment is not one."""
    is_step = timestep.step_type != dm_env.StepType.FIRST
    self.agent_steps += int(is_step.sum())
    # What is left of an episode that did not come to its LAST.
    for sums in (self._returns, self._clipped_returns, self._lengths):
      sums[~is_step] = 0
    reward = np.where(is_step, timestep.reward, 0.0)
    self._returns += reward
    self._clipped_returns += np.clip(reward, -self._reward_clip,
                                     self._reward_clip)
    self._lengths += is_step
    episodes = []
    for index in np.flatnonzero(timestep.step_type == dm_env.StepType.LAST):
      episodes.append(
          Episode(
              int(index), float(self._returns[index]),
              float(self._clipped_returns[index]), int(self._lengths[index])))
      self._returns[index] = self._clipped_returns[index] = 0.0
      self._lengths[index] = 0
    return episodes
