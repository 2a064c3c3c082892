"""The same run in one process and one Python thread, for debugging.

Every object is the one that the processes use; only who calls whom differs.
Actions, items and initial priorities are the same for the same seed, until
Reverb's sampler, which cannot be seeded, draws the first batch.
"""

import contextlib
import dataclasses
import signal
import time
from typing import Any, Dict, Iterator, Optional

import reverb

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import environment_loop
from apex_tf import evaluator as evaluator_lib
from apex_tf import learner_checkpoint
from apex_tf import learner_service
from apex_tf import leases
from apex_tf import non_finite
from apex_tf import saved_policy
from apex_tf.monitoring import actor_monitor
from apex_tf.monitoring import console as console_lib
from apex_tf.monitoring import evaluator_monitor
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import status_reporter
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import checkpoint
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import layout
from apex_tf.replay import monitor as monitor_lib

# Where the configuration leaves the ratio open, one thread has to choose.
_DEFAULT_SAMPLES_PER_INSERT = 8.0


@dataclasses.dataclass
class _SerialActor:
  """One actor's parts."""
  loop: environment_loop.EnvironmentLoop
  adder: adder_lib.NStepAdder
  monitor: actor_monitor.ActorMonitor
  logger: metrics_lib.MetricsLogger


class SerialRun:
  """A run whose parts take turns."""

  def __init__(self, config: config_lib.Config,
               directory: run_directory.RunDirectory):
    """Builds every part, with a replay server inside this process.

    Learner, counts and replay go on from the newest checkpoints, if there are
    any.

    Args:
      config: validated.
      directory: of the run, prepared.
    """
    self._config = config
    self._directory = directory
    builder = builder_lib.Builder(config)
    self.replay_checkpointer = checkpoint.ReplayCheckpointer(
        directory.replay_checkpoints_directory(),
        config.replay.checkpoint_minutes)
    self._server = self.replay_checkpointer.make_server(
        builder.make_replay_tables(limit_ratio=False)[0], None)
    address = f'localhost:{self._server.port}'
    client = reverb.Client(address)
    self._monitor = monitor_lib.ReplayMonitor([client], config.replay)
    restored = client.server_info()[layout.TABLE].current_size
    # Transitions to insert before the first learner step.
    self._fill_size = max(0, config.replay.min_size - restored)
    self.coordinator = coordinator_lib.Coordinator(config.run)
    self._feedback = builder.make_feedback([client])
    self.learner = builder.make_learner(
        self._batches(builder, address), self._feedback)
    self.checkpointer = learner_checkpoint.LearnerCheckpointer(
        directory.learner_checkpoints_directory, self.learner,
        self.coordinator, period_seconds=60 * config.learner.checkpoint_minutes)
    # Before the actors fetch their variables.
    self._first_step = self.checkpointer.restore() or 0
    if self._first_step:
      self.coordinator.count_on_from(directory.last_wall_seconds())
    self._service = learner_service.LearnerService(
        self.learner, self.coordinator, config)
    self.policy_saver = saved_policy.PolicySaver(
        self.learner, directory.policy_file)
    self._reporter = status_reporter.StatusReporter(
        config, directory, self.coordinator, self.learner, self._monitor)
    self._actors = [
        self._make_actor(builder, directory, client, index)
        for index in range(config.actor.num_actors)
    ]
    self._evaluator = builder.make_evaluator(self._service)
    self._evaluator_logger = metrics_lib.MetricsLogger(
        directory.tensorboard_directory(metric_table.EVALUATOR),
        metric_table.EVALUATOR)
    self._ratio = (config.replay.samples_per_insert or
                   _DEFAULT_SAMPLES_PER_INSERT)

  def _batches(self, builder: builder_lib.Builder,
               address: str) -> Iterator[dataset_lib.Batch]:
    """Batches; the dataset is made when the first is asked for."""
    yield from builder.make_dataset(address)

  def _make_actor(self, builder: builder_lib.Builder,
                  directory: run_directory.RunDirectory,
                  client: reverb.Client, index: int) -> _SerialActor:
    policy = builder.make_behavior_policy(index)
    variable_client = builder.make_variable_client(
        self._service, policy, asynchronous=False)
    variable_client.update_now()
    adder = builder.make_adder(client)
    loop = environment_loop.EnvironmentLoop(
        builder.make_environment(index),
        builder.make_actor(policy, variable_client, adder),
        self._config.environment.reward_clip)
    role = f'actor_{index}'
    return _SerialActor(
        loop, adder,
        actor_monitor.ActorMonitor(
            loop, adder, policy, variable_client, leases.this_process()),
        metrics_lib.MetricsLogger(directory.tensorboard_directory(role), role))

  def act(self) -> None:
    """One step of every environment of every actor; the one before is then in
    replay."""
    for actor in self._actors:
      actor.monitor.observe(actor.loop.step())
      actor.adder.reset()

  def learn(self) -> None:
    """As many learner steps as the samples-per-insert ratio allows.

    Raises:
      NonFiniteError: see `Learner.step`; says where the batch is saved.
    """
    inserted = sum(a.adder.statistics.items_inserted for a in self._actors)
    if inserted < self._fill_size:
      return
    samples = self._ratio * (inserted - self._fill_size + 1)
    allowed = self._first_step + samples / self._config.learner.batch_size
    phase = self.coordinator.get_phase()
    while self.learner.num_steps < allowed and (
        phase in status_lib.LEARNING_PHASES):
      try:
        self.learner.step()
      except non_finite.NonFiniteError as error:
        raise non_finite.save_batch(
            self._directory.failures_directory, error) from None
      self._feedback.flush()
      phase = self.coordinator.report_learner(self.learner.num_steps)

  def report(self) -> str:
    """What the roles would report; the phase."""
    for index, actor in enumerate(self._actors):
      self.coordinator.report_actor(index, actor.monitor.report())
    self._reporter.write()
    return self.coordinator.get_phase()

  def log_actors(self) -> None:
    """Writes the actors' metrics to TensorBoard."""
    for actor in self._actors:
      actor.logger.write(actor.monitor.metrics())

  def evaluate(self, final: bool) -> None:
    """Evaluates the newest version; when `final`, that ends the run."""
    self._evaluator.variable_client.update_now()
    counts = self.coordinator.get_counts()
    if self._evaluator.evaluator.has_measured_newest and not final:
      return
    if final:
      self._measure(counts, final=True)
    else:
      evaluator_lib.measure_until_sure(
          lambda at: self._measure(at, final=False), counts,
          self._config.run.target_return,
          lambda: self.coordinator.check_limits() == status_lib.LEARNING)

  def _measure(self, counts: Dict[str, float],
               final: bool) -> Optional[status_lib.Evaluation]:
    """Evaluates the version that was fetched at these counts; reports it."""
    start = time.monotonic()
    evaluation = self._evaluator.evaluator.evaluate(
        counts, final, lambda: True)
    if evaluation is not None:
      self._evaluator_logger.write(
          evaluator_monitor.metrics(evaluation, time.monotonic() - start))
      self.coordinator.report_evaluation(dataclasses.asdict(evaluation))
    return evaluation

  def close(self) -> None:
    """Saves the policy; closes logs, writers and the server."""
    # Of an interrupted run the last published, since a step may be half done.
    self.policy_saver.save()
    self._reporter.write()
    self._reporter.close()
    self._evaluator_logger.close()
    for actor in self._actors:
      actor.logger.close()
      actor.adder.close()
    self.replay_checkpointer.save()
    self._server.stop()


class _Interruption:
  """Makes KeyboardInterrupt of SIGINT and SIGTERM, where they do no harm."""

  def __init__(self) -> None:
    """Handles both signals until `close`."""
    self._held = False
    self._missed = False
    self._before = {number: signal.signal(number, self._handle)
                    for number in (signal.SIGINT, signal.SIGTERM)}

  def _handle(self, *unused_arguments: Any) -> None:
    if self._held:
      self._missed = True
    else:
      raise KeyboardInterrupt

  @contextlib.contextmanager
  def held(self) -> Iterator[None]:
    """Puts it off until the end of the block, such as a learner step."""
    self._held = True
    try:
      yield
    finally:
      self._held = False
    if self._missed:
      self._missed = False
      raise KeyboardInterrupt

  def close(self) -> None:
    """Handles the signals as before."""
    for number, handler in self._before.items():
      signal.signal(number, handler)


def run(config: config_lib.Config, directory: run_directory.RunDirectory,
        console: console_lib.Console) -> str:
  """Runs until a limit is reached, Ctrl-C or SIGTERM.

  Returns:
    "" or `status.INTERRUPTED`.

  Raises:
    NonFiniteError: a loss or a gradient is not finite.
    ValueError: the checkpoint in the directory is of another configuration.
  """
  serial: Optional[SerialRun] = None
  interruption = _Interruption()
  try:
    serial = SerialRun(config, directory)
    reported_at = logged_at = evaluated_at = saved_at = time.monotonic()
    while serial.report() in status_lib.LEARNING_PHASES:
      while time.monotonic() - reported_at < 1.0 and (
          serial.coordinator.check_limits() in status_lib.LEARNING_PHASES):
        serial.act()
        with interruption.held():
          serial.learn()
          serial.checkpointer.save_if_due()
          serial.replay_checkpointer.save_if_due()
      now = reported_at = time.monotonic()
      console.update()
      if now - logged_at >= config.run.metrics_period_seconds:
        logged_at = now
        serial.log_actors()
      if now - evaluated_at >= config.evaluator.period_seconds and (
          serial.learner.num_steps):
        serial.evaluate(final=False)
        evaluated_at = time.monotonic()
      if now - saved_at >= saved_policy.SAVE_PERIOD_SECONDS:
        saved_at = now
        serial.policy_saver.save()
    serial.learner.publish_last(serial.coordinator.reached_target)
    serial.policy_saver.save()
    serial.checkpointer.save()
    serial.coordinator.begin_final_evaluation()
    serial.evaluate(final=True)
    serial.coordinator.finish()
    serial.checkpointer.save()  # With the final evaluation.
  except KeyboardInterrupt:
    if serial is not None:
      serial.coordinator.finish()
      serial.checkpointer.save()
    return status_lib.INTERRUPTED
  finally:
    if serial is not None:
      serial.close()
    console.close()
    interruption.close()
  return ''
