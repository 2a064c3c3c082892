"""What is measured of the memory of a stored transition."""

import numpy as np
import reverb

from apex_tf import environments
from apex_tf.benchmarks import replay_memory
from apex_tf.replay import layout
from configs import cartpole


def _items(serve, whole_stacks):
  """All items of random play, each once."""
  config = cartpole.get_config()
  config.environment.num_frames_stacked = 3
  server = serve([reverb.Table(
      layout.TABLE, reverb.selectors.Fifo(), reverb.selectors.Fifo(), 10_000,
      reverb.rate_limiters.MinSize(1), max_times_sampled=1,
      signature=layout.make_signature(
          replay_memory.make_spec(config, whole_stacks)))])
  client = server.localhost_client()
  writer = replay_memory.Writer(client, config, whole_stacks)
  environment = environments.make_environment(config.environment, 8, seed=1)
  rng = np.random.default_rng(1)
  action = np.zeros(8, np.int32)
  writer.add(action, environment.reset())
  for _ in range(60):
    action = rng.integers(2, size=8, dtype=np.int32)
    writer.add(action, environment.step(action))
  items = {}
  for _ in range(writer.finish()):
    (sample,) = client.sample(
        layout.TABLE, 1, emit_timesteps=False, unpack_as_table_signature=True)
    ends = [sample.data[name].tobytes() for name in (
        layout.OBSERVATION_TM1, layout.OBSERVATION_T, layout.STEP)]
    items[tuple(ends)] = sample.info.priority
  return items


def test_both_layouts_hold_the_same_items(serve):
  items = _items(serve, whole_stacks=False)
  assert len(items) > 300  # Of 480 steps, less resets and what is unfinished.
  assert _items(serve, whole_stacks=True) == items
