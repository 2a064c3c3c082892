"""Sampled batches against what the environment saw, and waiting for them."""

import itertools
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import reverb
import tensorflow as tf

from apex_tf import config as config_lib
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

_BATCH_SIZE = 16
_SCRIPT = scripted_environment.Script(
    [[scripted_environment.Episode((1.0, -2.0, 0.5) * 4, terminates=False),
      scripted_environment.Episode((0.25,) * 3)],
     [scripted_environment.Episode((3.0,) * 9, life_losses=(2, 5))]],
    num_stacked=4, frame_size=50)


_SPEC = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()


def _make_server(serve, **replay):
  config = config_lib.ReplayConfig(**{'capacity': 1000, 'min_size': 1,
                                      **replay})
  return serve(tables.make_tables(config, _SPEC))


def _fill(client, num_calls=60):
  """Plays; all transitions that it wrote."""
  adder = transition_oracle.make_adder(client, _SCRIPT, reward_clip=1.0)
  calls = transition_oracle.play(
      scripted_environment.ScriptedEnvironment(_SCRIPT), adder, num_calls)
  adder.reset()
  adder.close()
  return transition_oracle.writable(transition_oracle.expected_items(
      _SCRIPT, calls, 3, 0.99, 1.0))


def _make_dataset(server, importance_exponent=0.4, device='', **learner):
  return dataset_lib.make_dataset(
      f'localhost:{server.port}',
      config_lib.LearnerConfig(**{'batch_size': _BATCH_SIZE, **learner}),
      importance_exponent, _SPEC.actions, device=device)


@pytest.mark.parametrize('num_samplers, exponent', [(1, 0.4), (3, 1.0)])
def test_batches_are_what_the_environment_saw(serve, num_samplers, exponent):
  server = _make_server(serve)
  expected = {item.place: item for item in _fill(server.localhost_client())}
  powers = {place: max(item.priority, 1e-6)**0.6
            for place, item in expected.items()}
  keys = {}
  for batch in _make_dataset(
      server, exponent, num_samplers=num_samplers).take(40):
    batch = tf.nest.map_structure(lambda tensor: tensor.numpy(), batch)
    transition = batch.transition
    # (N P)^-beta over its maximum: N and the sum of powers cancel.
    weights = []
    for row in range(_BATCH_SIZE):
      stored = transition_oracle.Stored(
          transition.observation_tm1[row], transition.observation_t[row],
          transition.action_tm1[row], transition.n_step_return[row],
          transition.bootstrap_discount[row], batch.learner_step[row])
      place = stored.place
      transition_oracle.assert_equal(stored, expected[place])
      weights.append(powers[place]**-exponent)
      assert batch.probability[row] == pytest.approx(
          powers[place] / sum(powers.values()), rel=1e-3)
      assert keys.setdefault(place, batch.key[row]) == batch.key[row]
    np.testing.assert_allclose(
        batch.importance_weight, np.array(weights) / max(weights), rtol=1e-3)
  assert len(keys) > len(expected) / 2
  assert len(set(keys.values())) == len(keys)


def print_batches_on_two_devices():
  """Prints where batches are, in a process of its own."""
  cpu, = tf.config.list_physical_devices('CPU')
  tf.config.set_logical_device_configuration(
      cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
  server = reverb.Server(tables.make_tables(
      config_lib.ReplayConfig(capacity=1000, min_size=1), _SPEC), port=None)
  _fill(server.localhost_client())
  for device in ('', '/device:CPU:1'):
    batches = iter(_make_dataset(server, device=device))
    for batch in itertools.islice(batches, 3):
      tensors = tf.nest.flatten(batch)
      devices = {tensor.device.rsplit('/', 1)[1] for tensor in tensors}
      print(*devices, *tensors[0].shape, len(set(batch.key.numpy())) > 5)
    del batches
  server.stop()


def test_batches_are_copied_to_a_device():
  """A second CPU takes the place of a GPU."""
  run = subprocess.run(
      [sys.executable, '-c', f'from {__name__} import '
       'print_batches_on_two_devices as f; f()'],
      stdout=subprocess.PIPE, text=True, check=True, timeout=120)
  rows = [line for line in run.stdout.splitlines() if line.startswith('device')]
  assert rows == (3 * [f'device:CPU:0 {_BATCH_SIZE} 4 50 True'] +
                  3 * [f'device:CPU:1 {_BATCH_SIZE} 4 50 True'])


def test_shapes_and_types(serve):
  server = _make_server(serve)
  _fill(server.localhost_client())
  dataset = _make_dataset(server)
  batch = next(iter(dataset))
  stack = ((_BATCH_SIZE, 4, 50), tf.uint8)
  row = (_BATCH_SIZE,)
  expected = {
      'observation_tm1': stack, 'action_tm1': (row, tf.int32),
      'n_step_return': (row, tf.float32),
      'bootstrap_discount': (row, tf.float32), 'observation_t': stack}
  found = {name: (tuple(tensor.shape), tensor.dtype)
           for name, tensor in batch.transition._asdict().items()}
  assert found == expected
  assert {name: (tuple(getattr(batch, name).shape), getattr(batch, name).dtype)
          for name in batch._fields[1:]} == {
              'importance_weight': (row, tf.float32),
              'key': (row, tf.uint64), 'probability': (row, tf.float64),
              'learner_step': (row, tf.int64), 'shard': (row, tf.int32)}
  # The static shapes too: a learner step is traced once for them.
  assert dataset.element_spec.transition.observation_t.shape.as_list() == [
      _BATCH_SIZE, 4, 50]


def test_new_transitions_reach_the_batches(serve):
  server = _make_server(serve)
  client = server.localhost_client()
  _fill(client)
  batches = iter(_make_dataset(server, prefetch_batches=1))
  assert max(next(batches).learner_step.numpy()) < 600
  _fill(client, num_calls=120)
  assert any(max(next(batches).learner_step.numpy()) >= 600
             for _ in range(200))


class _Fetching:
  """A `BatchFetcher` whose `next` is under way in a thread."""

  def __init__(self, fetcher):
    self.result = None
    self._fetcher = fetcher
    self.thread = threading.Thread(target=self._next, daemon=True)
    self.thread.start()

  def _next(self):
    try:
      self.result = next(self._fetcher)
    except BaseException as error:  # pylint: disable=broad-except
      self.result = error


def test_a_fetcher_hands_batches_on(serve):
  server = _make_server(serve)
  places = {item.place for item in _fill(server.localhost_client())}
  stop = threading.Event()
  fetcher = dataset_lib.BatchFetcher(lambda: _make_dataset(server), stop)
  for _ in range(5):
    batch = next(fetcher)
    for stack in batch.transition.observation_tm1.numpy():
      assert scripted_environment.where(stack[-1]) in places
  assert iter(fetcher) is fetcher
  stop.set()
  with pytest.raises(StopIteration):
    next(fetcher)


def test_stop_releases_a_fetcher_that_waits_for_replay(serve):
  server = _make_server(serve, min_size=500)
  _fill(server.localhost_client())
  stop = threading.Event()
  fetching = _Fetching(
      dataset_lib.BatchFetcher(lambda: _make_dataset(server), stop))
  fetching.thread.join(1.0)
  assert fetching.thread.is_alive()
  start = time.monotonic()
  stop.set()
  fetching.thread.join(20.0)
  assert isinstance(fetching.result, StopIteration)
  assert time.monotonic() - start < 5.0


def test_a_fetcher_waits_for_a_server_that_is_not_there_yet(serve, wait_until):
  ready = threading.Event()
  server = _make_server(serve)

  def make_dataset():
    ready.wait()
    return _make_dataset(server)

  fetching = _Fetching(
      dataset_lib.BatchFetcher(make_dataset, threading.Event()))
  _fill(server.localhost_client())
  ready.set()
  wait_until(lambda: fetching.result is not None)
  assert isinstance(fetching.result, dataset_lib.Batch)


def test_a_fetcher_ends_with_its_dataset(serve):
  server = _make_server(serve)
  _fill(server.localhost_client())
  fetcher = dataset_lib.BatchFetcher(
      lambda: _make_dataset(server).take(2), threading.Event())
  assert sum(1 for _ in fetcher) == 2
  with pytest.raises(StopIteration):
    next(fetcher)


def test_a_table_of_another_name_is_an_error(serve):
  """Not a wait without an end."""
  server = serve([reverb.Table(
      'another', reverb.selectors.Uniform(), reverb.selectors.Fifo(), 10,
      reverb.rate_limiters.MinSize(1))])
  fetcher = dataset_lib.BatchFetcher(
      lambda: _make_dataset(server), threading.Event())
  with pytest.raises(ValueError, match='does not contain'):
    next(fetcher)


def test_an_error_of_the_dataset_is_raised(serve):
  server = _make_server(serve)
  _fill(server.localhost_client())

  def check(batch):
    return tf.debugging.check_numerics(
        batch.importance_weight / 0.0, 'not like this')

  fetcher = dataset_lib.BatchFetcher(
      lambda: _make_dataset(server).map(check), threading.Event())
  with pytest.raises(tf.errors.InvalidArgumentError, match='not like this'):
    next(fetcher)


def test_a_fetcher_outlives_two_first_uses_at_once(serve):
  """What TensorFlow 2.8 says to one of two threads, now and then."""
  server = _make_server(serve)
  _fill(server.localhost_client())
  errors = [tf.errors.InternalError(
      None, None, f'Function: __wrapped__{name}_device_CPU:0 is in the cache '
      f'but not in the library [Op:{name}]')
            for name in ('BatchDatasetV2', 'MakeIterator')]

  def make_dataset():
    if errors:
      raise errors.pop()
    return _make_dataset(server)

  assert isinstance(next(dataset_lib.BatchFetcher(
      make_dataset, threading.Event())), dataset_lib.Batch)
  errors += [tf.errors.InternalError(
      None, None, 'x is in the cache but not in the library')] * 100
  with pytest.raises(tf.errors.InternalError, match='x is in the cache'):
    next(dataset_lib.BatchFetcher(make_dataset, threading.Event()))
  errors[:] = [tf.errors.InternalError(None, None, 'something else')]
  with pytest.raises(tf.errors.InternalError, match='something else'):
    next(dataset_lib.BatchFetcher(make_dataset, threading.Event()))
