"""The measuring role: an actor without an adder."""

import time
from typing import Callable, Dict, List, Optional

from absl import logging
import numpy as np

from apex_tf import actor as actor_lib
from apex_tf import environment_loop
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from apex_tf.environments import base as environments
from apex_tf.environments import scores
from apex_tf.monitoring import status as status_lib

# Episodes that may break for each one asked for while none has ended.
_MAX_BROKEN_PER_EPISODE = 10


class Evaluator:
  """Measures one version of the policy at a time.

  Each environment plays a fixed share of the episodes. Taking whichever
  episodes end first would favour the short ones.
  """

  def __init__(self, environment: environments.BatchedEnvironment,
               policy: agents.Policy,
               variable_client: variables_lib.VariableClient,
               num_episodes: int, max_seconds: float, game: str = ''):
    """Initializes an evaluator.

    Args:
      environment: made for evaluation.
      policy: the evaluation policy.
      variable_client: of the policy; one that fetches only when the caller
        asks it to, since a version is evaluated whole.
      num_episodes: of one evaluation.
      max_seconds: after which one ends with the episodes it has.
      game: Atari game, for the human-normalized score; otherwise "".
    """
    self._environment = environment
    self._variable_client = variable_client
    self._actor = actor_lib.Actor(policy, variable_client)
    self._max_seconds = max_seconds
    self._game = game
    num_environments = environment.num_environments
    shares = np.full(num_environments, num_episodes // num_environments)
    shares[:num_episodes % num_environments] += 1
    self._shares = shares
    self._measured_version = ''

  @property
  def has_measured_newest(self) -> bool:
    """Whether `evaluate` has measured the version that the policy has now."""
    return self._variable_client.version == self._measured_version != ''

  def evaluate(self, counts: Dict[str, float], final: bool,
               keep_going: Callable[[], bool]
              ) -> Optional[status_lib.Evaluation]:
    """Plays the episodes with the variables that the policy has now.

    Args:
      counts: `agent_steps`, `environment_frames`, `wall_seconds` of the run
        when these variables were fetched.
      final: whether learning is over.
      keep_going: asked about once a second; False gives up.

    Returns:
      The evaluation; None if given up, if no episode ended in time, or if none
      had ended when the simulator had broken off more than 10 times as many as
      are to be played.
    """
    start = asked = time.monotonic()
    loop = environment_loop.EnvironmentLoop(self._environment, self._actor)
    remaining = self._shares.copy()
    returns: List[float] = []
    broken_before = loop.broken_episodes
    while remaining.any():
      for episode in loop.step():
        if remaining[episode.environment]:
          remaining[episode.environment] -= 1
          returns.append(episode.episode_return)
      broken = loop.broken_episodes - broken_before
      if not returns and broken > _MAX_BROKEN_PER_EPISODE * self._shares.sum():
        logging.error(
            '%s: the evaluation is given up, because no episode ended and %d '
            'broke off', self._environment.name, broken)
        return None
      now = time.monotonic()
      if now - start > self._max_seconds:
        break
      if now - asked > 1.0:
        asked = now
        if not keep_going():
          return None
    if not returns:
      return None
    mean = float(np.mean(returns))
    self._measured_version = self._variable_client.version
    return status_lib.Evaluation(
        learner_step=self._variable_client.learner_step,
        agent_steps=int(counts['agent_steps']),
        environment_frames=int(counts['environment_frames']),
        wall_seconds=counts['wall_seconds'] + time.monotonic() - start,
        returns=returns,
        complete=not remaining.any(),
        final=final,
        mean=mean,
        std=float(np.std(returns)),
        human_normalized=(
            scores.human_normalized_score(self._game, mean)
            if self._game else None),
        broken_episodes=loop.broken_episodes - broken_before)


def measure_until_sure(
    measure: Callable[[Dict[str, float]], Optional[status_lib.Evaluation]],
    counts: Dict[str, float], target_return: float,
    goes_on: Callable[[], bool]) -> None:
  """Evaluates a version, and once more at once where it reaches the target.

  Of many versions the luckiest reaches it first; the coordinator wants it of
  one version twice.

  Args:
    measure: evaluates the version that was fetched, at these counts, and
      reports it.
    counts: of the run when that version was fetched.
    target_return: of the run.
    goes_on: whether the run still learns.
  """
  first = measure(counts)
  if first is not None and first.reaches(target_return) and goes_on():
    measure({**counts, 'wall_seconds': first.wall_seconds})
