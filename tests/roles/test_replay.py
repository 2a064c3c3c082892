"""What the replay process says of its table."""

import numpy as np
import reverb

from apex_tf import config as config_lib
from apex_tf.replay import layout
from apex_tf.reports import event_files
from apex_tf.roles import replay as replay_role


def test_what_a_table_had_counted_before_is_no_rate(tmp_path, serve):
  server = serve([reverb.Table(
      layout.TABLE, reverb.selectors.Prioritized(0.6), reverb.selectors.Fifo(),
      max_size=1000, rate_limiter=reverb.rate_limiters.MinSize(1))])
  client = server.localhost_client()

  def insert(count):
    for _ in range(count):
      client.insert([np.zeros(1, np.float32)], {layout.TABLE: 1.0})

  insert(300)  # As of a checkpoint, which has the table's counts.
  writer = replay_role._MetricsWriter(
      config_lib.ReplayConfig(), str(tmp_path), client)
  writer.write()
  insert(3)
  writer.write()
  writer.close()
  series = event_files.read_role(str(tmp_path)).series
  first, second = series['inserts_per_second'].values.tolist()
  assert first == 0.0 and second > 0.0
  assert series['replay_size'].values.tolist() == [300, 303]
