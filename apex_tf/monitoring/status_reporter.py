"""What the learner's process writes down: the run's status, its own metrics."""

import threading
import time
from typing import Dict, List, Mapping, Optional, Sequence

from absl import logging

from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import learner as learner_lib
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import stalls as stalls_lib
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import tensorboard_layout
from apex_tf.replay import monitor as monitor_lib

_REPLAY_TIMEOUT_SECONDS = 1


class StatusReporter:
  """Writes the run's status file and the learner's metrics.

  Attributes:
    unsaved: what the run was to leave and is not written, for the status.
  """

  def __init__(self, config: config_lib.Config,
               directory: run_directory.RunDirectory,
               coordinator: coordinator_lib.Coordinator,
               learner: learner_lib.Learner,
               monitor: monitor_lib.ReplayMonitor,
               stall_watch: Optional[stalls_lib.StallWatch] = None,
               holds_end: bool = False):
    """Initializes a reporter that has written nothing.

    Args:
      config: of the run.
      directory: of the run.
      coordinator: of the run.
      learner: of the run.
      monitor: of the run's replay.
      stall_watch: hears the roles; None where all is done in turn, by one
        thread that could not tell of its own stall.
      holds_end: whether no status says that the run is over until `write_end`.
    """
    self.unsaved: Sequence[str] = ()
    self._config = config
    self._directory = directory
    self._coordinator = coordinator
    self._learner = learner
    self._monitor = monitor
    self._stall_watch = stall_watch
    self._holds_end = holds_end
    self._replay = status_lib.ReplayStatus(
        min_size=config.replay.min_size, capacity=config.replay.capacity)
    self._rates = metrics_lib.Rates()
    self._acting_rates = metrics_lib.Rates()
    self._wait_rate = metrics_lib.RateWindow()
    self._logger = metrics_lib.MetricsLogger(
        directory.tensorboard_directory(metric_table.LEARNER),
        metric_table.LEARNER,
        # Every way to run has a learner, and in a cluster its event files may
        # be the only ones that TensorBoard sees.
        tensorboard_layout.make_summary(config.agent.name))
    self._logged_at = 0.0
    self._lock = threading.Lock()
    self._closed = False

  def write(self) -> bool:
    """Reads everything and writes it down; TensorBoard only now and then.

    After `close` it does nothing: the last word is said.

    Returns:
      Whether the status file was written.
    """
    # Outside of the lock, since a server that is gone takes its time.
    replay = self._monitor.read(_REPLAY_TIMEOUT_SECONDS)
    with self._lock:
      if self._closed:
        return False
      self._replay = replay or self._replay
      return self._write(replay is not None)

  def write_end(self) -> bool:
    """As `write`; from then on the status may say that the run is over."""
    self._holds_end = False
    is_written = self.write()
    self._holds_end = not is_written
    return is_written

  def _write(self, replay_answers: bool) -> bool:
    metrics = self._learner.metrics()
    status = self._coordinator.status()
    status.loss = metrics.get('loss', 0.0)
    self._replay.learner_wait_seconds = self._learner.batch_wait_seconds
    self._replay.actors_wait_seconds = sum(
        report.insert_wait_seconds for report in status.actors.values())
    status.replay = self._replay
    status.rates = self._rates.update({
        'learner_steps_per_second': status.learner_steps,
        'samples_per_second':
            status.learner_steps * self._config.learner.batch_size,
    })
    status.rates.update(self._update_acting_rates(status.actors))
    metrics['batch_wait_share'] = self._wait_rate.update(
        self._learner.batch_wait_seconds)
    if status.evaluations:
      metrics['evaluation_return_mean'] = status.evaluations[-1].mean
    status.stalls = self._find_stalls(status, replay_answers)
    metrics['stalls'] = len(status.stalls)
    reporting = (list(status.actors) if self._stall_watch is None else
                 self._stall_watch.reporting_actors)
    metrics['reporting_actors'] = status.reporting_actors = len(reporting)
    # Those that are gone have the variables that they left with.
    acting_with = [status.actors[index].learner_step
                   for index in reporting if index in status.actors]
    if acting_with:
      metrics['policy_age_steps'] = status.learner_steps - min(acting_with)
    status.unsaved = list(self.unsaved)
    if self._holds_end and status.phase == status_lib.DONE:
      status.phase = status_lib.FINAL_EVALUATION
    is_written = self._directory.write_status(status)
    now = time.monotonic()
    if now - self._logged_at < self._config.run.metrics_period_seconds:
      return is_written
    if status.learner_steps:
      self._logged_at = now
      self._logger.write({
          'step': status.learner_steps,
          'learner_steps': status.learner_steps,
          'agent_steps': status.agent_steps,
          'environment_frames': status.environment_frames,
          'episodes': status.episodes,
          'resident_megabytes': metrics_lib.resident_megabytes(),
          **status.rates,
          **metrics,
      })
    elif status.stalls:  # Of learning, there is nothing to say yet.
      self._logged_at = now
      self._logger.write({'step': 0, **{
          name: metrics[name] for name in ('stalls', 'reporting_actors')}})
    return is_written

  def _update_acting_rates(self, actors: Mapping[str, status_lib.ActorReport]
                          ) -> Dict[str, float]:
    """Of all actors together. Each counts from its first report on: to a
    learner that was started again it comes with all that it did before."""
    each = self._acting_rates.update({
        **{f'{index} steps': actor.agent_steps
           for index, actor in actors.items()},
        **{f'{index} frames': actor.environment_frames
           for index, actor in actors.items()},
    })
    return {
        'agent_steps_per_second': sum(
            each[f'{index} steps'] for index in actors),
        'frames_per_second': sum(
            each[f'{index} frames'] for index in actors),
    }

  def _find_stalls(self, status: status_lib.RunStatus,
                   replay_answers: bool) -> List[str]:
    """One line for each stall; the log says when it begins and ends."""
    if self._stall_watch is None:
      return []
    stalls = self._stall_watch.update(status, replay_answers)
    for line in stalls.begun:
      logging.warning('Stall: %s.', line)
    for line in stalls.ended:
      logging.info('Over: %s.', line)
    return stalls.now

  def close(self) -> None:
    """Writes for the last time, with the replay as it was last seen."""
    with self._lock:
      self._write(replay_answers=True)
      self._closed = True
      self._logger.close()
