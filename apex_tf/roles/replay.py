"""The replay process: a Reverb server and a look at its table."""

import threading
from typing import Callable, Dict

from absl import logging
import reverb

from apex_tf import background
from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import ports
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import checkpoint
from apex_tf.replay import monitor as monitor_lib

# Between two looks whether a checkpoint is due.
_LOOK_SECONDS = 1.0


def run_replay(config: config_lib.Config,
               directory: run_directory.RunDirectory, shard: int, address: str,
               stop: threading.Event,
               ready: Callable[[], None] = lambda: None) -> reverb.Server:
  """Serves one prioritized table, all of replay or a shard, until `stop`.

  It holds what the newest checkpoint in the directory holds, if the run is to
  have checkpoints of replay.

  Args:
    config: of the run.
    directory: of the run; TensorBoard logs and checkpoints go there.
    shard: number of the shard, from 0.
    address: `host:port` to serve on.
    stop: ends the server.
    ready: called once it serves.

  Returns:
    The stopped server, which still holds its items: freeing millions takes
    longer than a stop may, so whoever ends the process next need not.
  """
  builder = builder_lib.Builder(config)
  role = metric_table.replay_roles(config.replay.shards)[shard]
  port = int(address.rsplit(':', 1)[1])
  ports.wait_until_free(port, stop)
  checkpointer = checkpoint.ReplayCheckpointer(
      directory.replay_checkpoints_directory(role),
      config.replay.checkpoint_minutes)
  server = checkpointer.make_server(builder.make_replay_tables()[0], port)
  logging.info('Replay serves at %s.', address)
  ready()
  monitor = _MetricsWriter(
      config.replay.of_shard(), directory.tensorboard_directory(role),
      server.localhost_client())
  task = background.PeriodicTask(
      monitor.write, config.run.metrics_period_seconds, 'replay_metrics')
  while not stop.wait(_LOOK_SECONDS):
    checkpointer.save_if_due()
  checkpointer.save()
  task.stop()
  monitor.close()
  server.stop()
  return server


class _MetricsWriter:
  """Writes the table's state to TensorBoard."""

  def __init__(self, config: config_lib.ReplayConfig, directory: str,
               client: reverb.Client):
    """Args: of the shard, of its event files, of its server."""
    self._logger = metrics_lib.MetricsLogger(directory, metric_table.REPLAY)
    self._monitor = monitor_lib.ReplayMonitor([client], config)
    self._rates = metrics_lib.Rates()
    # The table may come from a checkpoint, with all that it has ever counted.
    self._update_rates(self._monitor.read() or status_lib.ReplayStatus())

  def write(self) -> None:
    """Writes one point of each metric, if the server answers."""
    status = self._monitor.read()
    if status is None:
      return
    per_second = self._update_rates(status)
    self._logger.write({
        'step': status.inserts,
        'replay_size': status.size,
        'samples_per_insert': status.samples_per_insert,
        'waiting_side': metric_table.WAITING_SIDES[status.waiting_side],
        'waiting_seconds': status.waiting_seconds,
        'resident_megabytes': metrics_lib.resident_megabytes(),
        **per_second,
    })

  def _update_rates(self, status: status_lib.ReplayStatus) -> Dict[str, float]:
    return self._rates.update({
        'inserts_per_second': status.inserts,
        'samples_per_second': status.samples,
    })

  def close(self) -> None:
    self._logger.close()
