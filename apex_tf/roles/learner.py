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
from apex_tf import saved_policy
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import status_reporter
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import monitor as monitor_lib

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

  def get_and_keep_variables(self, names: Sequence[str]) -> List[Any]:
    """See `Learner.get_and_keep_variables`."""
    return self._learner.get_and_keep_variables(names)

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

  METHODS = ('get_variables', 'get_and_keep_variables', 'get_counts',
             'get_phase', 'report_actor', 'report_evaluation',
             'give_up_final_evaluation')


def publish_last(learner: learner_lib.Learner,
                 coordinator: coordinator_lib.Coordinator) -> None:
  """Publishes what the final evaluation measures and the run leaves behind.

  The present variables; or, where an evaluation has reached the target, those
  that reached it, since the learner has gone on while they were measured.
  """
  if coordinator.reached_target:
    learner.publish_kept()
  else:
    learner.publish()


def run_learner(config: config_lib.Config,
                directory: run_directory.RunDirectory, replay_address: str,
                address: str, stop: threading.Event) -> None:
  """Learns until a limit is reached, then waits for the final evaluation.

  Args:
    config: of the run.
    directory: of the run; the status file, TensorBoard logs and the policy go
      there.
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
  evictor = builder.make_evictor(client)
  if evictor is not None:
    evictor.start()
  batches = dataset_lib.BatchFetcher(
      lambda: builder.make_dataset(replay_address), learning_over)
  learner = builder.make_learner(batches, priority_writer, evictor)
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

  reporter = status_reporter.StatusReporter(
      config, directory, coordinator, learner,
      monitor_lib.ReplayMonitor(reverb.Client(replay_address), config.replay))
  watcher = background.PeriodicTask(watch, 0.2, 'limit_watcher')
  status_task = background.PeriodicTask(reporter.write, 1.0, 'status_reporter')
  saver = saved_policy.PolicySaver(learner, directory.policy_file)
  # A run that is killed leaves a policy too.
  save_task = background.PeriodicTask(
      saver.save, saved_policy.SAVE_PERIOD_SECONDS, 'policy_saver')
  try:
    while not learning_over.is_set():
      learner.step()
      if coordinator.report_learner(learner.num_steps) != status_lib.LEARNING:
        break
  except StopIteration:
    pass
  publish_last(learner, coordinator)
  saver.save()
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
  save_task.stop()
  priority_writer.stop()
  if evictor is not None:
    evictor.stop()
  # The others learn from the phase that the run is over.
  stop.wait(2.0)
  server.Stop()
