"""Batches from several servers, against one table and the closed form."""

import collections
import subprocess
import sys
import threading
import time

import numpy as np
import portpicker
import pytest
import reverb
import tensorflow as tf

from apex_tf import config as config_lib
from apex_tf import waiting
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import feedback as feedback_lib
from apex_tf.replay import monitor
from apex_tf.replay import priorities as priorities_lib
from apex_tf.replay import shards
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

_SCRIPT = scripted_environment.Script([[
    scripted_environment.Episode((0.0,))]])
_SPEC = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()
_ALPHA, _BETA = 0.6, 0.4
_BATCH_SIZE = 24
_MIN_SIZE = 4


def _make_server(priorities, port=None, **replay):
  """A shard whose items have these priorities, and their index for action."""
  server = reverb.Server(tables.make_tables(
      config_lib.ReplayConfig(capacity=100, min_size=_MIN_SIZE,
                              priority_exponent=_ALPHA, **replay), _SPEC),
                         port=port)
  adder = transition_oracle.make_adder(
      server.localhost_client(), _SCRIPT, n_step=1)
  transition_oracle.add_known_priorities(adder, priorities)
  adder.close()
  return server


def serve(port, priorities):
  """Serves a shard in this process until its input ends."""
  server = _make_server(priorities, port)
  print('ready', flush=True)
  sys.stdin.read()
  server.stop()


class _Process:
  """A shard in a process of its own: a client in the same process would go on
  with a table whose server has stopped."""

  def __init__(self, priorities, port=None):
    self.port = port or portpicker.pick_unused_port()
    self._process = subprocess.Popen(
        [sys.executable, '-c', f'from {__name__} import serve; '
         f'serve({self.port}, {priorities})'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert self._process.stdout.readline() == 'ready\n'

  def localhost_client(self):
    return reverb.Client(f'localhost:{self.port}')

  def stop(self):
    self._process.kill()
    self._process.communicate()


class _Replay:
  """Shards of given priorities, and their union."""

  def __init__(self, *priorities, beta=_BETA, start=_make_server):
    self.servers = [start(each) for each in priorities]
    self.stop = threading.Event()
    learner = config_lib.LearnerConfig(
        batch_size=_BATCH_SIZE, num_samplers=len(priorities),
        prefetch_batches=1).of_shard(len(priorities))
    clients = [server.localhost_client() for server in self.servers]
    self.union = shards.BatchUnion(
        [dataset_lib.BatchFetcher(
            lambda shard=shard, server=server: dataset_lib.make_dataset(
                f'localhost:{server.port}', learner, beta, _SPEC.actions,
                shard), self.stop)
         for shard, server in enumerate(self.servers)],
        [lambda client=client: shards.look_at(client, _MIN_SIZE)
         for client in clients], beta)

  def batches(self, count):
    """As arrays."""
    return [tf.nest.map_structure(lambda tensor: tensor.numpy(),
                                  next(self.union)) for _ in range(count)]

  def close(self):
    self.stop.set()
    for server in self.servers:
      server.stop()


@pytest.fixture
def make():
  made = []

  def start(*priorities, **kwargs):
    made.append(_Replay(*priorities, **kwargs))
    return made[-1]

  yield start
  for replay in made:
    replay.close()


def _counts(batches):
  """Of each item, by shard and number."""
  counts = collections.Counter()
  for batch in batches:
    counts.update(zip(batch.shard.tolist(),
                      batch.transition.action_tm1.tolist()))
  return counts


def _assert_drawn_with(counts, expected):
  """Every count is within 5 standard deviations of its mean."""
  total = sum(counts.values())
  assert set(counts) <= set(expected)
  for item, probability in expected.items():
    mean = total * probability
    assert abs(counts[item] - mean) < 5 * np.sqrt(
        mean * (1 - probability)), (item, counts[item], mean)


def test_balanced_shards_are_as_one_table(make):
  levels = [0.1, 0.5, 1.0, 2.0, 4.0, 8.0]
  replay = make(levels, levels[::-1], levels[3:] + levels[:3])
  batches = replay.batches(400)
  everything = {(shard, number): priority for shard, priorities in enumerate(
      [levels, levels[::-1], levels[3:] + levels[:3]])
                for number, priority in enumerate(priorities)}
  total = sum(priority**_ALPHA for priority in everything.values())
  _assert_drawn_with(_counts(batches), {
      item: priority**_ALPHA / total for item, priority in everything.items()})
  for batch in batches[:50]:
    # As `importance_weights` of one table has them.
    weights = np.array([
        everything[item]**(-_ALPHA * _BETA) for item in zip(
            batch.shard.tolist(), batch.transition.action_tm1.tolist())])
    np.testing.assert_allclose(
        batch.importance_weight, weights / weights.max(), rtol=1e-4)
    assert np.bincount(batch.shard).tolist() == [8, 8, 8]


@pytest.mark.parametrize('beta', [0.4, 1.0])
def test_unbalanced_shards_are_corrected(make, beta):
  shares = [[1.0] * 4, [5.0, 0.2, 0.2, 9.0, 9.0, 9.0, 3.0, 1.0]]
  replay = make(*shares, beta=beta)
  batches = replay.batches(800)
  sums = [sum(p**_ALPHA for p in priorities) for priorities in shares]
  drawn = {(shard, number): priority**_ALPHA / sums[shard] / 2
           for shard, priorities in enumerate(shares)
           for number, priority in enumerate(priorities)}
  _assert_drawn_with(_counts(batches), drawn)
  num_items = len(drawn)
  estimate = []
  for batch in batches:
    items = list(zip(batch.shard.tolist(),
                     batch.transition.action_tm1.tolist()))
    weights = np.array([(num_items * drawn[item])**-beta for item in items])
    np.testing.assert_allclose(
        batch.importance_weight, weights / weights.max(), rtol=1e-4)
    # Up to the maximum, the weighted mean is that over all items at beta 1.
    estimate.append(np.mean(batch.importance_weight * weights.max() *
                            np.array([item[1]**2 for item in items])))
  if beta == 1.0:
    exact = np.mean([number**2 for _, number in drawn])
    error = np.std(estimate) / np.sqrt(len(estimate))
    assert abs(np.mean(estimate) - exact) < 5 * error < 0.1 * exact


def test_a_lost_shard_costs_its_items_only(make):
  replay = make([1.0] * 5, [1.0] * 5, [1.0] * 5, start=_Process)
  assert set(_counts(replay.batches(20))) == {
      (shard, number) for shard in range(3) for number in range(5)}
  port = replay.servers[1].port
  replay.servers[1].stop()
  deadline = time.monotonic() + 60
  while 1 in replay.batches(1)[0].shard:  # What it had sent before.
    assert time.monotonic() < deadline
  start = time.monotonic()
  counts = _counts(replay.batches(30))
  assert time.monotonic() - start < 25  # Waiting for it would take 30.
  assert {shard for shard, _ in counts} == {0, 2}
  of_shard = [sum(counts[shard, number] for number in range(5))
              for shard in (0, 2)]
  assert of_shard == [_BATCH_SIZE * 15] * 2  # In turn.
  # It is back, but not yet full enough.
  replay.servers[1] = _Process([1.0] * (_MIN_SIZE - 1), port)
  assert 1 not in {shard for shard, _ in _counts(replay.batches(30))}
  # This process has not found it yet, and a writer does not wait for that.
  assert monitor.wait_until_it_answers(
      f'localhost:{port}', threading.Event(), waiting.Patience(60.0))
  adder = transition_oracle.make_adder(
      replay.servers[1].localhost_client(), _SCRIPT, n_step=1)
  transition_oracle.add_known_priorities(adder, [1.0] * 3)
  adder.close()
  deadline = time.monotonic() + 90
  while 1 not in replay.batches(1)[0].shard:
    assert time.monotonic() < deadline
    time.sleep(0.05)
  assert np.bincount(replay.batches(2)[1].shard).tolist() == [8, 8, 8]


def test_a_shard_that_has_lost_its_actors_is_not_waited_for(make, monkeypatch):
  monkeypatch.setattr(shards, '_STARVED_SECONDS', 3.0)

  def start(priorities):
    if len(priorities) > _MIN_SIZE:
      return _make_server(priorities)
    # Two samples for each insert, and some more.
    return _make_server(priorities, samples_per_insert=2.0,
                        samples_per_insert_tolerance=10.0)

  replay = make([1.0] * 10, [1.0] * _MIN_SIZE, start=start)
  seen = [set(batch.shard.tolist()) for batch in replay.batches(1)]
  deadline = time.monotonic() + 60
  while 1 in seen[-1]:
    seen += [set(batch.shard.tolist()) for batch in replay.batches(1)]
    assert time.monotonic() < deadline
  assert {0, 1} in seen and seen[-1] == {0}
  adder = transition_oracle.make_adder(
      replay.servers[1].localhost_client(), _SCRIPT, n_step=1)
  transition_oracle.add_known_priorities(adder, [1.0] * 30)
  adder.close()
  while 1 not in replay.batches(1)[0].shard:
    assert time.monotonic() < deadline
    time.sleep(0.05)


def test_priorities_go_to_their_owner(make):
  replay = make([1.0] * 5, [1.0] * 5)
  feedback = feedback_lib.Feedback([
      feedback_lib.ShardFeedback(priorities_lib.PriorityWriter(
          server.localhost_client(), 1e-6, 1000))
      for server in replay.servers])
  batch = next(replay.union)
  new = np.arange(_BATCH_SIZE, dtype=np.float32) + 2
  feedback.update(batch, new, learner_step=1)
  feedback.flush()
  expected = dict(zip(zip(batch.shard.numpy().tolist(),
                          batch.key.numpy().tolist()), new.tolist()))
  assert len(expected) > 5
  for shard, server in enumerate(replay.servers):
    seen = {}
    while len(seen) < 5:
      for stored in transition_oracle.sample(server.localhost_client(), 100):
        seen[stored.info.key] = stored.info.priority
    for key, priority in seen.items():
      assert priority == expected.get((shard, key), 1.0)
  assert feedback.metrics()['priority_updates_dropped'] == 0


def test_stopping_ends_the_wait(make):
  replay = make([1.0] * 5, [1.0] * (_MIN_SIZE - 1))  # The second never is able.
  threading.Timer(1.5, replay.stop.set).start()
  with pytest.raises(StopIteration):
    next(replay.union)

