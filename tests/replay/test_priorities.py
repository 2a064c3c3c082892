"""The write-back of priorities, into a real table."""

import threading

import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf.replay import priorities as priorities_lib
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

_SCRIPT = scripted_environment.Script([[
    scripted_environment.Episode((0.0,))]])


class _Replay:
  """A table of ten transitions, all of priority 1, and their keys."""

  def __init__(self, serve):
    config = config_lib.ReplayConfig(
        capacity=100, min_size=1, priority_exponent=0.1)
    spec = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()
    self.server = serve(tables.make_tables(config, spec))
    self.client = self.server.localhost_client()
    adder = transition_oracle.make_adder(self.client, _SCRIPT, n_step=1)
    transition_oracle.add_known_priorities(adder, [1.0] * 10)
    adder.close()
    self.keys = np.array(sorted(self.priorities()), np.uint64)

  def priorities(self):
    """The table's priorities by key."""
    found = {}
    while len(found) < 10:
      for stored in transition_oracle.sample(self.client, 100):
        found[stored.info.key] = stored.info.priority
    return found


@pytest.fixture
def replay(serve):
  return _Replay(serve)


def _update(writer, keys, priorities, learner_step):
  writer.update(np.asarray(keys, np.uint64),
                np.asarray(priorities, np.float32), learner_step)


def _make_writer(client, max_pending=1000):
  return priorities_lib.PriorityWriter(client, 0.25, max_pending)


def test_the_last_write_wins_and_the_rest_stays(replay):
  writer = _make_writer(replay.client)
  keys = replay.keys
  _update(writer, keys[:4], [2, 3, 4, 5], 1)
  _update(writer, keys[2:6], [6, 7, 8, 9], 2)
  _update(writer, [keys[0], keys[0]], [10, 11], 3)
  assert set(replay.priorities().values()) == {1.0}  # Queued, not written.
  writer.flush()
  assert replay.priorities() == dict(
      zip(keys.tolist(), [11, 3, 6, 7, 8, 9, 1, 1, 1, 1]))
  statistics = writer.statistics
  assert (statistics.written, statistics.dropped, statistics.refused) == (
      6, 0, 0)


def test_bad_priorities_are_refused_and_small_ones_raised(replay):
  writer = _make_writer(replay.client)
  _update(writer, replay.keys,
          [np.nan, np.inf, -np.inf, -1, 0, 0.1, 0.25, 0.5, 1e30, 2], 1)
  writer.flush()
  assert list(replay.priorities().values()).count(1.0) == 4
  found = replay.priorities()
  np.testing.assert_allclose(
      [found[key] for key in replay.keys.tolist()],
      [1, 1, 1, 1, 0.25, 0.25, 0.25, 0.5, 1e30, 2], rtol=1e-6)
  assert writer.statistics.refused == 4
  assert writer.statistics.written == 6


def test_a_full_queue_drops_the_oldest(replay):
  writer = _make_writer(replay.client, max_pending=3)
  keys = replay.keys
  _update(writer, keys[:3], [2, 3, 4], 1)
  _update(writer, keys[:1], [5], 2)  # Now the newest of the three.
  _update(writer, keys[3:5], [6, 7], 3)  # Pushes out the two others.
  assert writer.statistics.dropped == 2
  writer.flush()
  assert replay.priorities() == dict(
      zip(keys.tolist(), [5, 1, 1, 6, 7, 1, 1, 1, 1, 1]))
  assert writer.statistics.written == 3
  _update(writer, keys, np.arange(2, 12), 4)
  assert writer.statistics.dropped == 9


def test_lag_counts_the_steps_of_the_oldest_in_a_write(replay):
  writer = _make_writer(replay.client)
  for learner_step in (5, 6, 9):
    _update(writer, replay.keys, np.ones(10), learner_step)
  writer.flush()
  assert writer.statistics.lag_steps == 4
  _update(writer, replay.keys, np.ones(10), 10)
  writer.flush()
  assert writer.statistics.lag_steps == 0
  writer.flush()  # Nothing to write.
  assert writer.statistics.written == 20


def test_keys_that_are_gone_are_ignored(replay):
  writer = _make_writer(replay.client)
  _update(writer, [12345, replay.keys[3]], [5, 6], 1)
  writer.flush()
  found = replay.priorities()
  assert found[int(replay.keys[3])] == 6
  assert len(found) == 10


def test_the_thread_writes_to_the_table(replay, wait_until):
  writer = _make_writer(replay.client)
  writer.start()
  for learner_step in range(1, 40):
    _update(writer, replay.keys, learner_step + np.arange(10), learner_step)
  expected = dict(zip(replay.keys.tolist(), 39 + np.arange(10)))
  wait_until(lambda: replay.priorities() == expected)
  writer.stop()


def test_a_stopped_thread_is_gone(replay, wait_until):
  before = set(threading.enumerate())
  writer = _make_writer(replay.client)
  writer.start()
  started, = set(threading.enumerate()) - before
  writer.stop()
  wait_until(lambda: not started.is_alive())
  _update(writer, replay.keys, np.full(10, 7), 1)
  assert set(replay.priorities().values()) == {1.0}


def test_updates_do_not_wait_for_a_server_that_is_away(replay, wait_until):
  """And stay bounded."""
  writer = _make_writer(replay.client, max_pending=50)
  replay.server.stop()
  writer.start()
  done = threading.Event()

  def update():
    for learner_step in range(200):
      _update(writer, range(10 * learner_step, 10 * learner_step + 10),
              np.ones(10), learner_step)
    done.set()

  threading.Thread(target=update, daemon=True).start()
  wait_until(done.is_set)
  statistics = writer.statistics
  # The thread may have taken up to 50 keys with a write that failed, and with
  # the next, in which it is stuck; and there is what still waits.
  assert statistics.dropped >= 2000 - 3 * 50
  assert statistics.written == 0
  writer.stop()
