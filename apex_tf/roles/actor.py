"""An actor process: environments, policy, adder."""

import dataclasses
import threading
import time
from typing import Any, Dict, List
import uuid

from absl import logging
import courier
import numpy as np
import reverb

from apex_tf import background
from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import adder as adder_lib

# Longest wait for the learner's answer; also bounds how late a stop is seen.
CALL_TIMEOUT_SECONDS = 5.0
_REPORT_PERIOD_SECONDS = 1.0
_NUM_RECENT_RETURNS = 20


class ActorMonitor:
  """What one actor says of itself, to the coordinator and to TensorBoard.

  `report` may be called by any thread; the rest only by the one that acts.
  """

  def __init__(self, loop: environment_loop.EnvironmentLoop,
               adder: adder_lib.NStepAdder, policy: agents.Policy,
               variable_client: variables_lib.VariableClient):
    self._loop = loop
    self._adder = adder
    self._policy = policy
    self._variable_client = variable_client
    self._incarnation = uuid.uuid4().hex
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
    exploration = self._policy.metrics()
    return dataclasses.asdict(status_lib.ActorReport(
        incarnation=self._incarnation,
        agent_steps=self._loop.agent_steps,
        environment_frames=self._loop.environment_frames,
        episodes=self._num_episodes,
        items_inserted=statistics.items_inserted,
        items_refused=statistics.items_refused,
        insert_wait_seconds=statistics.insert_wait_seconds,
        learner_step=self._variable_client.learner_step,
        epsilon_min=exploration.get('epsilon_min', 0.0),
        epsilon_max=exploration.get('epsilon_max', 0.0),
        recent_returns=self._recent_returns))

  def metrics(self) -> Dict[str, float]:
    """Of now, or of the time since the last call; see the metrics table."""
    statistics = self._adder.statistics
    metrics = {
        'step': float(self._loop.agent_steps),
        'agent_steps': float(self._loop.agent_steps),
        'environment_frames': float(self._loop.environment_frames),
        'episodes': float(self._num_episodes),
        'items_inserted': float(statistics.items_inserted),
        'items_refused': float(statistics.items_refused),
        'insert_wait_seconds': statistics.insert_wait_seconds,
        'policy_version': float(self._variable_client.learner_step),
        'policy_age_seconds': self._variable_client.age_seconds,
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


def run_actor(config: config_lib.Config,
              directory: run_directory.RunDirectory, index: int,
              replay_address: str, learner_address: str,
              stop: threading.Event) -> None:
  """Acts and writes experience until the run is over.

  Args:
    config: of the run.
    directory: of the run; TensorBoard logs go there.
    index: of this actor, which decides its exploration.
    replay_address: `host:port` of the replay server.
    learner_address: `host:port` of the `LearnerService`.
    stop: ends the process early.
  """
  builder = builder_lib.Builder(config)
  learner = courier.Client(
      learner_address, call_timeout=CALL_TIMEOUT_SECONDS)
  environment = builder.make_environment(index)
  policy = builder.make_behavior_policy(index)
  variable_client = builder.make_variable_client(learner, policy)
  if not variable_client.update_and_wait(stop):
    return
  run_over = threading.Event()
  adder = builder.make_adder(reverb.Client(replay_address), run_over)
  actor = builder.make_actor(policy, variable_client, adder)
  loop = environment_loop.EnvironmentLoop(
      environment, actor, config.environment.reward_clip)
  role = f'actor_{index}'
  monitor = ActorMonitor(loop, adder, policy, variable_client)
  logger = metrics_lib.MetricsLogger(
      directory.tensorboard_directory(role), role)

  def report() -> None:
    phase = learner.report_actor(index, monitor.report())
    if phase not in (status_lib.FILLING, status_lib.LEARNING):
      run_over.set()

  def watch() -> None:
    if stop.is_set():
      run_over.set()

  tasks = [
      background.PeriodicTask(report, _REPORT_PERIOD_SECONDS, f'{role}_report'),
      background.PeriodicTask(watch, 0.2, f'{role}_watch'),
  ]
  logging.info('%s acts in %d environments.', role,
               environment.num_environments)
  logged_at = time.monotonic()
  while not run_over.is_set():
    monitor.observe(loop.step())
    now = time.monotonic()
    if now - logged_at >= config.run.metrics_period_seconds:
      logged_at = now
      logger.write(monitor.metrics())
  for task in tasks:
    task.stop()
  logger.close()
  adder.close()
  environment.close()
