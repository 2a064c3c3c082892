"""What the monitor says of real tables whose sides really wait."""

import threading

import portpicker
import pytest
import reverb

from apex_tf import config as config_lib
from apex_tf import waiting
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import layout
from apex_tf.replay import monitor as monitor_lib
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

_SCRIPT = scripted_environment.Script([[
    scripted_environment.Episode((0.0,))]])
_SPEC = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()


def _make(serve, **fields):
  config = config_lib.ReplayConfig(**{
      'capacity': 50, 'min_size': 10, 'samples_per_insert_tolerance': 0.5,
      **fields})
  server = serve(tables.make_tables(config, _SPEC))
  client = server.localhost_client()
  return server, client, monitor_lib.ReplayMonitor([client], config)


def _fill(client, count, stop=None):
  adder = transition_oracle.make_adder(
      client, _SCRIPT, n_step=1, flush_period=1, stop=stop,
      max_pending_items=1)
  transition_oracle.add_known_priorities(adder, [1.0] * count)


def test_counts(serve):
  _, client, monitor = _make(serve)
  _fill(client, 1009)
  transition_oracle.sample(client, 4000)
  assert monitor.read().samples_per_insert == 0.0  # As yet.
  _fill(client, 1)
  status = monitor.read()
  assert (status.size, status.capacity, status.min_size) == (50, 50, 10)
  assert (status.inserts, status.samples) == (1010, 4000)
  # 1000 inserts since learning could begin.
  assert status.samples_per_insert == 4.0
  assert (status.waiting_side, status.waiting_seconds) == ('', 0.0)


def test_an_empty_table(serve):
  _, _, monitor = _make(serve)
  status = monitor.read()
  assert (status.size, status.inserts, status.samples) == (0, 0, 0)
  assert status.samples_per_insert == 0.0
  assert status.waiting_side == 'learner'


@pytest.mark.parametrize('ratio', [0.0, 2.0])
def test_the_learner_waits_for_the_minimum_size(serve, wait_until, ratio):
  server, client, monitor = _make(serve, samples_per_insert=ratio)
  stop = threading.Event()
  fetcher = dataset_lib.BatchFetcher(
      lambda: dataset_lib.make_dataset(
          f'localhost:{server.port}',
          config_lib.LearnerConfig(batch_size=2, num_samplers=1), 0.4,
          _SPEC.actions), stop)
  _fill(client, 9)
  assert monitor.read().waiting_side == 'learner'
  wait_until(lambda: monitor.read().waiting_seconds > 0.3)
  _fill(client, 1)
  next(fetcher)  # It came through.
  if not ratio:
    status = monitor.read()
    assert (status.waiting_side, status.waiting_seconds) == ('', 0.0)
  stop.set()


def test_the_ratio_holds_the_actors_and_then_the_learner(serve, wait_until):
  # Inserts may run ahead of 2 samples each, from the 10th on, by 5.
  _, client, monitor = _make(serve, samples_per_insert=2.0)
  stop = threading.Event()
  writing = threading.Thread(
      target=_fill, args=(client, 40, stop), daemon=True)
  writing.start()
  wait_until(lambda: monitor.read().waiting_side == 'actors')
  assert monitor.read().size == 15
  wait_until(lambda: monitor.read().waiting_seconds > 0.3)
  # Each two samples let one more in.
  transition_oracle.sample(client, 6)
  wait_until(lambda: monitor.read().size == 18)
  assert monitor.read().waiting_side == 'actors'
  stop.set()
  writing.join(30.0)
  assert not writing.is_alive()
  # Not all of it was let in: sampling has an end too.
  sampling = threading.Thread(
      target=transition_oracle.sample, args=(client, 1000), daemon=True)
  sampling.start()
  seen = []

  def learner_waits():
    seen.append(monitor.read())
    return (seen[-1].waiting_side == 'learner' and
            seen[-1].waiting_seconds > 0.5)

  wait_until(learner_waits)
  assert sampling.is_alive()
  # 2 for each insert since the 10th, and 10 ahead.
  assert seen[-1].samples == 2 * (seen[-1].inserts - 10) + 10
  client.reset(layout.TABLE)


def _read_in_thread(monitor):
  found = []
  thread = threading.Thread(
      target=lambda: found.append(monitor.read(timeout_seconds=1)),
      daemon=True)
  thread.start()
  thread.join(20.0)
  assert not thread.is_alive()
  return found[0]


def test_a_server_that_was_never_there_is_none(serve):
  server, _, _ = _make(serve)
  server.stop()
  monitor = monitor_lib.ReplayMonitor(
      [reverb.Client(f'localhost:{server.port}')], config_lib.ReplayConfig())
  assert _read_in_thread(monitor) is None


def test_a_server_that_went_away_is_none(serve):
  server, _, monitor = _make(serve)
  assert monitor.read() is not None
  server.stop()
  assert _read_in_thread(monitor) is None


def test_waiting_for_a_server_that_is_not_there_yet():
  port = portpicker.pick_unused_port()
  stop = threading.Event()
  answers = []
  thread = threading.Thread(target=lambda: answers.append(
      monitor_lib.wait_until_it_answers(
          f'localhost:{port}', stop, waiting.Patience())))
  thread.start()
  thread.join(3.0)
  assert thread.is_alive()
  server = reverb.Server([reverb.Table.queue('transitions', 1)], port=port)
  # gRPC asks again after seconds only.
  thread.join(40.0)
  server.stop()
  assert answers == [True]


def test_waiting_for_a_server_ends():
  stop = threading.Event()
  threading.Timer(0.5, stop.set).start()
  assert not monitor_lib.wait_until_it_answers(
      f'localhost:{portpicker.pick_unused_port()}', stop, waiting.Patience())


def test_waiting_for_a_server_has_a_limit():
  port = portpicker.pick_unused_port()
  with pytest.raises(waiting.NoAnswerError) as error:
    monitor_lib.wait_until_it_answers(
        f'localhost:{port}', threading.Event(), waiting.Patience(2.0))
  assert str(error.value) == (
      f'replay at localhost:{port} has not answered for 2 s')


def test_a_server_of_something_else():
  server = reverb.Server([reverb.Table.queue('queue', 1)])
  with pytest.raises(waiting.NoAnswerError, match='has other tables: is it'):
    monitor_lib.wait_until_it_answers(
        f'localhost:{server.port}', threading.Event(), waiting.Patience())
  server.stop()


def test_shards_are_summed_and_one_that_is_silent_is_named(serve):
  config = config_lib.ReplayConfig(
      capacity=100, min_size=20, shards=2, samples_per_insert_tolerance=0.5)
  servers = [serve(tables.make_tables(config.of_shard(), _SPEC))
             for _ in range(2)]
  clients = [server.localhost_client() for server in servers]
  monitor = monitor_lib.ReplayMonitor(clients, config)
  _fill(clients[0], 12)
  status = monitor.read()
  assert (status.size, status.min_size, status.capacity) == (12, 20, 100)
  assert status.waiting_side == 'learner'  # For the second.
  _fill(clients[1], 11)
  status = monitor.read()
  assert (status.size, status.inserts, status.waiting_side) == (23, 23, '')
  assert status.silent_shards == []
  servers[0].stop()
  status = monitor.read(timeout_seconds=1)
  assert status.silent_shards == [0] and status.size == 11
