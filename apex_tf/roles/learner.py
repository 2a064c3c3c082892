"""The learner process: learning, the variable source, and the run's counts."""

import threading
import time
from typing import Any, List, Sequence

from absl import logging
from acme import core
import courier
import reverb

from apex_tf import background
from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import learner as learner_lib
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import monitor as monitor_lib

ROLE = 'learner'

_REPLAY_TIMEOUT_SECONDS = 1

# Over `evaluator.max_seconds`, what a final evaluation may take to begin.
_FINAL_EVALUATION_GRACE_SECONDS = 30.0


class LearnerService(core.VariableSource):
  """What the learner's process offers to the other roles.

  Every method is idempotent: Courier repeats a call that was under way when
  its server went down.
  """

  def __init__(self, learner: learner_lib.Learner,
               coordinator: coordinator_lib.Coordinator):
    self._learner = learner
    self._coordinator = coordinator

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """See `Learner.get_variables`."""
    return self._learner.get_variables(names)

  def get_counts(self) -> Any:
    """See `Coordinator.get_counts`."""
    return self._coordinator.get_counts()

  def get_phase(self) -> str:
    """See `Coordinator.get_phase`."""
    return self._coordinator.get_phase()

  def report_actor(self, index: int, report: Any) -> str:
    """See `Coordinator.report_actor`."""
    return self._coordinator.report_actor(index, report)

  def report_evaluation(self, evaluation: Any) -> str:
    """See `Coordinator.report_evaluation`."""
    return self._coordinator.report_evaluation(evaluation)

  def give_up_final_evaluation(self) -> None:
    """The evaluator finished no episode in its time: the run ends without."""
    self._coordinator.finish()

  METHODS = ('get_variables', 'get_counts', 'get_phase', 'report_actor',
             'report_evaluation', 'give_up_final_evaluation')


class StatusReporter:
  """Writes the run's status file and the learner's metrics."""

  def __init__(self, config: config_lib.Config,
               directory: run_directory.RunDirectory,
               coordinator: coordinator_lib.Coordinator,
               learner: learner_lib.Learner,
               monitor: monitor_lib.ReplayMonitor):
    self._config = config
    self._directory = directory
    self._coordinator = coordinator
    self._learner = learner
    self._monitor = monitor
    self._replay = status_lib.ReplayStatus(
        min_size=config.replay.min_size, capacity=config.replay.capacity)
    self._rates = metrics_lib.Rates()
    self._wait_rate = metrics_lib.RateWindow()
    self._logger = metrics_lib.MetricsLogger(
        directory.tensorboard_directory(ROLE), ROLE)
    self._logged_at = 0.0
    self._lock = threading.Lock()
    self._closed = False

  def write(self) -> None:
    """Reads everything and writes it down; TensorBoard only now and then.

    After `close` it does nothing: the last word is said.
    """
    # Outside of the lock, since a server that is gone takes its time.
    replay = self._monitor.read(_REPLAY_TIMEOUT_SECONDS)
    with self._lock:
      if not self._closed:
        self._replay = replay or self._replay
        self._write()

  def _write(self) -> None:
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
        'agent_steps_per_second': status.agent_steps,
        'frames_per_second': status.environment_frames,
    })
    metrics['batch_wait_share'] = self._wait_rate.update(
        self._learner.batch_wait_seconds)
    if status.actors:
      metrics['policy_age_steps'] = status.learner_steps - min(
          report.learner_step for report in status.actors.values())
    self._directory.write_status(status)
    now = time.monotonic()
    if status.learner_steps and now - self._logged_at >= (
        self._config.run.metrics_period_seconds):
      self._logged_at = now
      self._logger.write({
          'step': status.learner_steps,
          'learner_steps': status.learner_steps,
          'agent_steps': status.agent_steps,
          'environment_frames': status.environment_frames,
          'episodes': status.episodes,
          **status.rates,
          **metrics,
      })

  def close(self) -> None:
    """Writes for the last time, with the replay as it was last seen."""
    with self._lock:
      self._write()
      self._closed = True
      self._logger.close()


def run_learner(config: config_lib.Config,
                directory: run_directory.RunDirectory, replay_address: str,
                address: str, stop: threading.Event) -> None:
  """Learns until a limit is reached, then waits for the final evaluation.

  Args:
    config: of the run.
    directory: of the run; the status file and TensorBoard logs go there.
    replay_address: `host:port` of the replay server.
    address: `host:port` on which the other roles reach `LearnerService`.
    stop: ends the process early.
  """
  builder = builder_lib.Builder(config)
  coordinator = coordinator_lib.Coordinator(config.run)
  learning_over = threading.Event()
  client = reverb.Client(replay_address)
  priority_writer = builder.make_priority_writer(client)
  priority_writer.start()
  batches = dataset_lib.BatchFetcher(
      lambda: builder.make_dataset(replay_address), learning_over)
  learner = builder.make_learner(batches, priority_writer)
  service = LearnerService(learner, coordinator)
  server = courier.Server(port=int(address.rsplit(':', 1)[1]))
  for method in LearnerService.METHODS:
    server.Bind(method, getattr(service, method))
  server.Start()
  logging.info('Learner serves variables at %s.', address)

  def watch() -> None:
    if stop.is_set() or coordinator.check_limits() not in (
        status_lib.FILLING, status_lib.LEARNING):
      learning_over.set()

  reporter = StatusReporter(
      config, directory, coordinator, learner,
      monitor_lib.ReplayMonitor(reverb.Client(replay_address), config.replay))
  watcher = background.PeriodicTask(watch, 0.2, 'limit_watcher')
  status_task = background.PeriodicTask(reporter.write, 1.0, 'status_reporter')
  try:
    while not learning_over.is_set():
      learner.step()
      if coordinator.report_learner(learner.num_steps) != status_lib.LEARNING:
        break
  except StopIteration:
    pass
  learner.publish()
  coordinator.begin_final_evaluation()
  logging.info('Learning is over after %d steps.', learner.num_steps)
  deadline = time.monotonic() + config.evaluator.max_seconds + (
      _FINAL_EVALUATION_GRACE_SECONDS)
  while not stop.wait(0.1) and time.monotonic() < deadline and (
      coordinator.get_phase() != status_lib.DONE):
    pass
  coordinator.finish()
  reporter.close()
  watcher.stop()
  status_task.stop()
  priority_writer.stop()
  # The others learn from the phase that the run is over.
  stop.wait(2.0)
  server.Stop()
