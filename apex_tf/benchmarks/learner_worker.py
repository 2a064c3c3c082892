"""A learner that is measured, and its gradient step alone.

  python -m apex_tf.benchmarks.learner_worker --config=JSON --items=10000

Fills a Reverb server in another process with transitions of a random policy.
Task `apex`: the learner as in a run: batches from that server, gradient steps,
priorities written back, variables published, metrics kept. Task `resident`:
the same gradient step on one batch that is already there.
"""

import argparse
import threading
import time

import numpy as np
import reverb

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf.benchmarks import play
from apex_tf.benchmarks import servers
from apex_tf.benchmarks import workers
from apex_tf.replay import dataset as dataset_lib

_METRICS_SECONDS = 1.0


class Apex:
  """What `roles.run_learner` runs, without those that connect to it."""

  def __init__(self, builder: builder_lib.Builder, server_address: str):
    """Args: what builds the parts, and `host:port` of a filled server."""
    client = reverb.Client(server_address)
    feedback = builder.make_feedback([client])
    feedback.start()
    self._learner = builder.make_learner(
        builder.make_batches([server_address], threading.Event()), feedback)
    self._logged_at = time.monotonic()

  def step(self) -> float:
    """One learner step; 1."""
    self._learner.step()
    now = time.monotonic()
    if now - self._logged_at >= _METRICS_SECONDS:
      self._logged_at = now
      self._learner.metrics()
    return 1.0


class Resident:
  """One gradient step after another on one batch."""

  def __init__(self, builder: builder_lib.Builder, server_address: str):
    """Args: what builds the parts, and `host:port` of a filled server."""
    self._step = builder.agent.make_learner_step(seed=0)
    self._batch: dataset_lib.Batch = next(
        iter(builder.make_dataset(server_address)))

  def step(self) -> float:
    """One gradient step, to its end; 1."""
    output = self._step(
        self._batch.transition, self._batch.importance_weight)
    np.abs(output.td_error.numpy())
    return 1.0


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('learner_worker')
  parser.add_argument('--config', required=True)
  parser.add_argument('--items', type=int, required=True)
  args = parser.parse_args()
  config = config_lib.Config.from_json(args.config)
  builder = builder_lib.Builder(config)
  with servers.ReplayServer(play.table_maker(builder)) as server:
    play.Recording(builder).write(
        builder.make_adder(reverb.Client(server.address)), args.items)
    apex = Apex(builder, server.address)
    resident = Resident(builder, server.address)
    clocks = server.clocks()
    workers.serve({
        'apex': lambda seconds: workers.count(apex.step, seconds, clocks),
        'resident':
            lambda seconds: workers.count(resident.step, seconds, clocks),
    })


if __name__ == '__main__':
  main()
