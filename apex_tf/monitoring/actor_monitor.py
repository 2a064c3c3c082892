"""What an actor says of itself."""

import dataclasses
from typing import Any, Dict, List

import numpy as np

from apex_tf import environment_loop
from apex_tf import leases
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import adder as adder_lib

_NUM_RECENT_RETURNS = 20


class ActorMonitor:
  """What one actor says of itself, to the coordinator and to TensorBoard.

  `report` may be called by any thread; the rest only by the one that acts.
  """

  def __init__(self, loop: environment_loop.EnvironmentLoop,
               adder: adder_lib.NStepAdder, policy: agents.Policy,
               variable_client: variables_lib.VariableClient,
               holder: leases.Holder):
    """Begins to count; the last argument says which process this is."""
    self._loop = loop
    self._adder = adder
    self._policy = policy
    self._variable_client = variable_client
    self._holder = holder
    # Since the last call of `metrics`.
    self._episodes: List[environment_loop.Episode] = []
    self._num_episodes = 0
    # Replaced, never changed: another thread reads it.
    self._recent_returns: List[float] = []
    self._rates = metrics_lib.Rates()
    self._update_rates()

  def _update_rates(self) -> Dict[str, float]:
    return self._rates.update({
        'agent_steps_per_second': self._loop.agent_steps,
        'frames_per_second': self._loop.environment_frames,
    })

  def observe(self, episodes: List[environment_loop.Episode]) -> None:
    """Takes finished episodes."""
    self._num_episodes += len(episodes)
    self._episodes += episodes
    self._recent_returns = (
        self._recent_returns + [e.episode_return for e in episodes]
    )[-_NUM_RECENT_RETURNS:]

  def report(self) -> Dict[str, Any]:
    """An `ActorReport` as a dict."""
    statistics = self._adder.statistics
    return dataclasses.asdict(status_lib.ActorReport(
        incarnation=self._holder.incarnation,
        owner=self._holder.owner,
        agent_steps=self._loop.agent_steps,
        environment_frames=self._loop.environment_frames,
        episodes=self._num_episodes,
        items_inserted=statistics.items_inserted,
        items_refused=statistics.items_refused,
        insert_wait_seconds=statistics.insert_wait_seconds,
        learner_step=self._variable_client.learner_step,
        exploration=self._policy.exploration,
        recent_returns=self._recent_returns,
        broken_episodes=self._loop.broken_episodes))

  def metrics(self) -> Dict[str, float]:
    """Of now, or of the time since the last call; see the metrics table."""
    statistics = self._adder.statistics
    metrics = {
        'step': float(self._loop.agent_steps),
        'agent_steps': float(self._loop.agent_steps),
        'environment_frames': float(self._loop.environment_frames),
        'episodes': float(self._num_episodes),
        'broken_episodes': float(self._loop.broken_episodes),
        'items_inserted': float(statistics.items_inserted),
        'items_refused': float(statistics.items_refused),
        'insert_wait_seconds': statistics.insert_wait_seconds,
        'policy_version': float(self._variable_client.learner_step),
        'policy_age_seconds': self._variable_client.age_seconds,
        'resident_megabytes': metrics_lib.resident_megabytes(),
        **self._policy.metrics(),
        **self._update_rates(),
    }
    priorities = statistics.take_priorities()
    if priorities:
      for percent in (10, 50, 90):
        metrics[f'insert_priority_p{percent}'] = float(
            np.percentile(priorities, percent))
    episodes, self._episodes = self._episodes, []
    if episodes:
      metrics['episode_return'] = float(
          np.mean([e.episode_return for e in episodes]))
      metrics['episode_return_clipped'] = float(
          np.mean([e.clipped_return for e in episodes]))
      metrics['episode_length'] = float(np.mean([e.length for e in episodes]))
    return metrics
