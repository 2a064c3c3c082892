"""Prioritized eviction of a real table: whom, how many, and what it leaves."""

import collections
import fractions
import itertools
import math
import threading

import numpy as np
import pytest
import reverb

from apex_tf import config as config_lib
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import eviction
from apex_tf.replay import layout
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

_SCRIPT = scripted_environment.Script([[
    scripted_environment.Episode((0.0,))]])
_SPEC = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()


class _Replay:
  """A table, and an evictor of it that keeps `capacity`."""

  def __init__(self, serve, capacity=100, exponent=-0.4, pool_size=10_000,
               **fields):
    self.config = config_lib.ReplayConfig(**{
        'capacity': capacity, 'min_size': 1, 'eviction': 'prioritized',
        'samples_per_insert_tolerance': 0.5, **fields})
    self.server = serve(tables.make_tables(self.config, _SPEC))
    self.address = f'localhost:{self.server.port}'
    self.client = reverb.Client(self.address)
    self.evictor = eviction.PrioritizedEvictor(
        self.client, capacity, exponent, pool_size,
        self.config.minimum_priority, seed=1)

  def fill(self, priorities):
    adder = transition_oracle.make_adder(self.client, _SCRIPT, n_step=1)
    transition_oracle.add_known_priorities(adder, priorities)
    assert adder.statistics.items_inserted == len(priorities)

  def batches(self, batch_size):
    return iter(dataset_lib.make_dataset(
        self.address,
        config_lib.LearnerConfig(batch_size=batch_size, num_samplers=1), 0.4,
        _SPEC.actions))

  def draw(self, count):
    """Samples, and shows them to the evictor with priority 1."""
    infos = [s.info for s in transition_oracle.sample(self.client, count)]
    self.observe([i.key for i in infos], [i.probability for i in infos],
                 np.ones(count))
    return infos

  def observe(self, keys, probabilities, priorities):
    self.evictor.observe(
        np.array(keys, np.uint64), np.array(probabilities, np.float64),
        np.array(priorities, np.float32))

  @property
  def info(self):
    return self.client.server_info(timeout=10)[layout.TABLE]

  @property
  def size(self):
    return self.info.current_size

  @property
  def evicted(self):
    return self.evictor.statistics.evicted


def _chi_square(counts, powers):
  expected = np.asarray(powers) / np.sum(powers) * np.sum(counts)
  return float(((np.asarray(counts) - expected)**2 / expected).sum())


# Of 7 and 5 degrees of freedom; exceeded by chance once in a million.
_CHI_SQUARE_7, _CHI_SQUARE_5 = 40.5, 36.9


def test_evicts_by_priority_to_the_exponent(serve):
  """The priorities that it was sampled by leave no trace, the new ones do.

  Each of 8 levels of the old priority, which span a factor of 30, meets each
  of the same 8 levels of the new one ten times. A pool is 1600 draws, of some
  520 items, from which 16 are evicted: 200 times, with fresh draws each. That
  pools are finite moves no level by more than 2 %, and leaves the mean of
  chi-square at 7: so said 150 repetitions of this test with a table of numpy.
  """
  replay = _Replay(serve, capacity=640)
  levels = 30.0**(np.arange(8) / 7)
  numbers = np.arange(640)
  old, new = numbers % 8, numbers // 8 % 8
  replay.fill(levels[old])
  by_old, by_new = np.zeros(8), np.zeros(8)
  for _, batch in zip(range(200), replay.batches(1600)):
    evictor = eviction.PrioritizedEvictor(
        replay.client, 640, -0.4, 1600, 1e-6, seed=int(batch.key[0]))
    actions = batch.transition.action_tm1.numpy()
    keys = batch.key.numpy()
    evictor.observe(keys, batch.probability.numpy(), levels[new[actions]])
    chosen = evictor.choose(16)
    assert len(set(chosen)) == 16
    action_of = dict(zip(keys, actions))
    for action in (action_of[key] for key in chosen):
      by_old[old[action]] += 1
      by_new[new[action]] += 1
  assert _chi_square(by_new, levels**-0.4) < _CHI_SQUARE_7
  assert _chi_square(by_old, np.ones(8)) < _CHI_SQUARE_7
  # First in, first out would take the 8 new levels alike, as uniform does.
  for exponent in (0.0, 0.6, -0.1, -0.7, -1.0):
    assert _chi_square(by_new, levels**exponent) > 1.5 * _CHI_SQUARE_7


@pytest.mark.parametrize('exponent', [-0.4, 0.0, -2.0])
def test_weights_are_those_of_plain_loops(exponent):
  rng = np.random.default_rng(3)
  names = rng.integers(2**64 - 1, size=60, dtype=np.uint64)
  keys = rng.choice(names, 500)
  probabilities, priorities = rng.uniform(1e-6, 1, (2, 500))
  inverse, newest = collections.Counter(), {}
  for key, probability, priority in zip(keys, probabilities, priorities):
    inverse[key] += 1 / probability
    newest[key] = priority
  weights = eviction.eviction_weights(
      keys, probabilities, priorities, exponent)
  assert weights.keys.tolist() == sorted(newest)
  np.testing.assert_allclose(
      np.exp(weights.log_weights),
      [newest[key]**exponent * inverse[key] for key in weights.keys],
      rtol=1e-9)


def test_draws_without_replacement_have_exact_probabilities():
  weights = np.array([5.0, 1.0, 0.2, 2.0])
  expected = {}  # Of each order in which two of four can be drawn.
  for first, second in itertools.permutations(range(4), 2):
    expected[first, second] = weights[first] / weights.sum() * (
        weights[second] / (weights.sum() - weights[first]))
  assert math.isclose(sum(expected.values()), 1)
  rng = np.random.default_rng(4)
  found = collections.Counter(
      tuple(eviction.draw_without_replacement(np.log(weights), 2, rng))
      for _ in range(20_000))
  assert set(found) <= set(expected)
  sets, expected_sets = collections.Counter(), collections.Counter()
  for pair, probability in expected.items():
    sets[frozenset(pair)] += found[pair]
    expected_sets[frozenset(pair)] += probability
    deviation = math.sqrt(20_000 * probability * (1 - probability))
    assert abs(found[pair] - 20_000 * probability) < 5 * deviation
  assert _chi_square(list(sets.values()),
                     list(expected_sets.values())) < _CHI_SQUARE_5


@pytest.mark.parametrize('count', [0, 1, 4, 9])
def test_draws_at_most_what_there_is(count):
  drawn = eviction.draw_without_replacement(
      np.zeros(4), count, np.random.default_rng(5))
  assert drawn.size == len(set(drawn)) == min(count, 4)
  assert set(drawn) <= set(range(4))


def test_the_pool_is_the_newest_draws(serve):
  replay = _Replay(serve, pool_size=6)
  assert replay.evictor.choose(5).size == 0
  replay.observe([1, 2], [0.5] * 2, [1] * 2)
  assert set(replay.evictor.choose(9)) == {1, 2}
  replay.observe([3, 4, 5, 6, 7], [0.5] * 5, [1] * 5)  # Pushes 1 out.
  assert set(replay.evictor.choose(9)) == {2, 3, 4, 5, 6, 7}
  replay.observe(range(10, 30), [0.5] * 20, [1] * 20)
  assert set(replay.evictor.choose(9)) == {24, 25, 26, 27, 28, 29}


def test_numbers_that_make_no_weight_are_ignored(serve):
  replay = _Replay(serve)
  bad = [np.nan, np.inf, -np.inf, -1.0]
  replay.observe(range(4), [0.5] * 4, bad)
  replay.observe(range(4, 9), [*bad, 0.0], [1.0] * 5)
  assert replay.evictor.choose(9).size == 0
  # Priority 0 counts as the floor, 1e-6: 251 times the weight of priority 1.
  chosen = collections.Counter()
  replay.observe([1, 2], [0.5] * 2, [0.0, 1.0])
  for _ in range(5000):
    chosen.update(replay.evictor.choose(1).tolist())
  expected = 5000 / (1 + 1e6**0.4)
  assert abs(chosen[2] - expected) < 5 * math.sqrt(expected)


@pytest.mark.parametrize('capacity', [1, 49, 50, 51, 1000, 2_000_000])
def test_the_table_leaves_room_for_eviction(capacity):
  def max_size(**fields):
    table, = tables.make_tables(config_lib.ReplayConfig(
        capacity=capacity, min_size=1, **fields), _SPEC)
    return table.info.max_size

  assert max_size() == max_size(eviction='fifo') == capacity
  assert max_size(eviction='prioritized') == math.ceil(
      capacity * fractions.Fraction(102, 100))


def test_the_surplus_leaves_and_no_more(serve):
  replay = _Replay(serve, capacity=2500)  # More than one call of 1000 keys.
  replay.fill([1.0] * 2500)
  replay.draw(500)
  replay.evictor.remove_to_fit()
  assert (replay.size, replay.evicted) == (2500, 0)
  replay.fill([1.0] * 24)  # Less than 1 %.
  replay.evictor.remove_to_fit()
  assert (replay.size, replay.evicted) == (2524, 0)
  replay.fill([1.0])
  replay.evictor.remove_to_fit()
  assert (replay.size, replay.evicted) == (2500, 25)
  lower = eviction.PrioritizedEvictor(
      replay.client, 1200, -0.4, 10_000, 1e-6, seed=2)
  replay.evictor = lower
  replay.draw(5000)  # Of some 2150 items.
  lower.remove_to_fit()
  assert (replay.size, replay.evicted) == (1200, 1300)


def test_two_draws_allow_one_eviction(serve):
  replay = _Replay(serve, capacity=1000)
  replay.fill([1.0] * 1020)
  replay.draw(19)  # Allows nine; a sweep is worth it from 1 % on.
  replay.evictor.remove_to_fit()
  assert (replay.size, replay.evicted) == (1020, 0)
  replay.draw(2)
  replay.evictor.remove_to_fit()
  assert (replay.size, replay.evicted) == (1010, 10)
  replay.evictor.remove_to_fit()
  assert (replay.size, replay.evicted) == (1010, 10)
  replay.draw(19)  # With the half that was left.
  replay.evictor.remove_to_fit()
  assert (replay.size, replay.evicted) == (1000, 20)


def test_what_the_table_does_not_have_is_not_chosen_again(serve):
  replay = _Replay(serve, capacity=100)
  replay.fill([1.0] * 102)
  infos = replay.draw(500)
  heavy = ([12345, 12346], [1e-12] * 2, [1.0] * 2)
  replay.observe(*heavy)
  replay.evictor.remove_to_fit()  # The two it takes first are not there.
  assert (replay.size, replay.evicted) == (102, 2)
  replay.observe(*heavy)  # From a batch that was on its way.
  replay.evictor.remove_to_fit()
  assert (replay.size, replay.evicted) == (100, 4)
  left = {s.info.key for s in transition_oracle.sample(replay.client, 3000)}
  gone = {info.key for info in infos} - left
  assert len(gone) == 2
  replay.observe(list(gone), [1e-12] * 2, [1.0] * 2)
  assert not gone & set(replay.evictor.choose(1000).tolist())


def test_writers_do_not_wait_where_nobody_samples(serve):
  replay = _Replay(serve, capacity=1000)
  replay.evictor.start()
  replay.fill([1.0] * 4000)
  info = replay.info
  assert info.current_size == 1020
  assert info.rate_limiter_info.insert_stats.completed == 4000
  replay.evictor.stop()
  assert replay.evicted == 0


def test_capacity_holds_while_writers_insert_at_full_speed(serve, wait_until):
  replay = _Replay(serve, capacity=1000)
  replay.evictor.start()
  writers = [threading.Thread(
      target=replay.fill, args=([1.0] * 4000,), daemon=True)
             for _ in range(2)]
  for writer in writers:
    writer.start()
  wait_until(lambda: replay.size)
  sizes = []
  while any(writer.is_alive() for writer in writers):
    replay.draw(500)
    sizes.append(replay.size)
  replay.draw(500)
  wait_until(lambda: 1000 <= replay.size < 1010)
  replay.evictor.stop()
  assert max(sizes) <= 1020
  assert replay.evicted > 0
  assert replay.info.rate_limiter_info.insert_stats.completed == 8000


@pytest.mark.parametrize('kind', ['fifo', 'prioritized'])
def test_eviction_is_neither_sample_nor_insert(serve, kind):
  """The rate limiter lets the same pass as without it."""
  ratio, min_size, ahead = 2.0, 450, 45
  replay = _Replay(serve, capacity=500, min_size=min_size, eviction=kind,
                   samples_per_insert=ratio, samples_per_insert_tolerance=0.1)

  def sample_until_blocked():
    samples = reverb.TrajectoryDataset.from_table_signature(
        server_address=replay.address, table=layout.TABLE,
        max_in_flight_samples_per_worker=1, num_workers_per_iterator=1,
        rate_limiter_timeout_ms=200)
    infos = [sample.info for sample in samples]
    replay.observe([i.key for i in infos], [i.probability for i in infos],
                   np.ones(len(infos)))
    return len(infos)

  inserts = samples = 0
  for count in (490, *[10] * 6):
    replay.fill([1.0] * count)
    inserts += count
    samples += sample_until_blocked()
    assert samples == ratio * (inserts - min_size + ahead)
    if kind == 'prioritized':
      replay.evictor.remove_to_fit()
      assert replay.evicted == max(0, inserts - 500)
  assert sample_until_blocked() == 0
  assert (replay.size, inserts) == (500, 550)
  stats = replay.info.rate_limiter_info
  assert (stats.insert_stats.completed, stats.sample_stats.completed) == (
      inserts, samples)


def test_goes_on_when_the_server_comes_back(serve, wait_until):
  replay = _Replay(serve, capacity=100)
  replay.fill([1.0] * 100)
  replay.draw(200)
  replay.server.stop()
  attempts = threading.Event()

  def attempt():
    replay.evictor.remove_to_fit()
    attempts.set()

  threading.Thread(target=attempt, daemon=True).start()
  wait_until(attempts.is_set, 20.0)
  assert replay.evicted == 0
  replay.evictor.start()
  server = reverb.Server(
      tables.make_tables(replay.config, _SPEC), port=replay.server.port)
  replay.client = server.localhost_client()
  replay.fill([1.0] * 102)
  replay.draw(200)
  wait_until(lambda: replay.size == 100)
  replay.evictor.stop()
  server.stop()
