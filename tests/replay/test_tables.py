"""The prioritized table: whom it samples, removes and holds back."""

import collections
import threading

import numpy as np
import pytest
import reverb

from apex_tf import config as config_lib
from apex_tf.replay import layout
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

_SCRIPT = scripted_environment.Script([[
    scripted_environment.Episode((0.0,))]])
_SPEC = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()


def _make_config(**fields) -> config_lib.ReplayConfig:
  return config_lib.ReplayConfig(**{
      'capacity': 1000, 'min_size': 1, 'samples_per_insert_tolerance': 1.0,
      **fields})


def _fill(client, priorities, **adder):
  transition_oracle.add_known_priorities(
      transition_oracle.make_adder(client, _SCRIPT, n_step=1, **adder),
      priorities)


def _counts(client, count):
  """How often each action was sampled."""
  return collections.Counter(
      s.action for s in transition_oracle.sample(
          client, count))


def _chi_square(counts, priorities, exponent):
  powers = np.asarray(priorities, float)**exponent
  expected = powers / powers.sum() * sum(counts.values())
  observed = np.array([counts[i] for i in range(len(priorities))])
  return float(((observed - expected)**2 / expected).sum())


# Of 7 degrees of freedom or fewer, exceeded by chance with a probability of
# 1.5e-10 (that of chi-square, where each count is expected to be 80 and more).
# Sampled with another exponent, the statistic was never below 600.
_CHI_SQUARE_LIMIT = 60.0


@pytest.mark.parametrize('exponent', [0.6, 0.0, 1.0])
def test_samples_by_priority_to_the_exponent(serve, exponent):
  priorities = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0, 16.0]
  server = serve(tables.make_tables(
      _make_config(priority_exponent=exponent), _SPEC))
  client = server.localhost_client()
  _fill(client, priorities)
  samples = transition_oracle.sample(client, 6000)
  counts = collections.Counter(s.action for s in samples)
  for other in (0.0, 0.6, 1.0):
    statistic = _chi_square(counts, priorities, other)
    assert (statistic < _CHI_SQUARE_LIMIT) == (other == exponent)
  powers = np.array(priorities)**exponent
  for stored in samples[:200]:
    action = stored.action
    assert stored.info.probability == pytest.approx(
        powers[action] / powers.sum(), rel=1e-5)
    assert stored.info.table_size == len(priorities)


def test_new_priorities_change_the_distribution(serve):
  server = serve(tables.make_tables(_make_config(), _SPEC))
  client = server.localhost_client()
  _fill(client, [1.0] * 8)
  samples = transition_oracle.sample(client, 2000)
  counts = collections.Counter(s.action for s in samples)
  assert _chi_square(counts, [1.0] * 8, 0.6) < _CHI_SQUARE_LIMIT
  keys = {s.action: s.info.key for s in samples}
  assert len(keys) == 8
  changed = [8.0, 1.0, 0.25, 3.0, 0.0, 30.0, 1.0, 1.0]
  client.mutate_priorities(
      layout.TABLE, {keys[i]: p for i, p in enumerate(changed)})
  counts = _counts(client, 4000)
  assert counts[4] == 0
  del changed[4]
  counts = {i - (i > 4): count for i, count in counts.items()}
  assert _chi_square(counts, changed, 0.6) < _CHI_SQUARE_LIMIT


def test_the_oldest_are_removed_first(serve):
  server = serve(tables.make_tables(_make_config(capacity=10), _SPEC))
  client = server.localhost_client()
  # The oldest have the highest priorities.
  _fill(client, range(25, 0, -1))
  info = client.server_info(timeout=10)[layout.TABLE]
  assert (info.current_size, info.max_size) == (10, 10)
  assert set(_counts(client, 500)) == set(range(15, 25))


def _sample_until_blocked(server):
  """Samples that the table gives before it holds the learner back."""
  dataset = reverb.TrajectoryDataset.from_table_signature(
      server_address=f'localhost:{server.port}', table=layout.TABLE,
      max_in_flight_samples_per_worker=1, num_workers_per_iterator=1,
      rate_limiter_timeout_ms=500)
  return sum(1 for _ in dataset)


@pytest.mark.parametrize('ratio', [0.0, 2.0])
def test_minimum_size_blocks_sampling(serve, ratio):
  server = serve(tables.make_tables(
      _make_config(min_size=20, samples_per_insert=ratio), _SPEC))
  client = server.localhost_client()
  _fill(client, [1.0] * 19)
  assert _sample_until_blocked(server) == 0
  _fill(client, [1.0])
  assert len(transition_oracle.sample(client, 5)) == 5


@pytest.mark.parametrize('ratio, min_size, tolerance, inserts', [
    (4.0, 20, 0.25, 24), (1.0, 40, 0.1, 43), (0.5, 20, 0.5, 29)])
def test_samples_per_insert_holds_the_learner(serve, ratio, min_size,
                                              tolerance, inserts):
  server = serve(tables.make_tables(_make_config(
      min_size=min_size, samples_per_insert=ratio,
      samples_per_insert_tolerance=tolerance), _SPEC))
  _fill(server.localhost_client(), [1.0] * inserts)
  # The ratio, counted from the minimum size on, and the tolerance ahead.
  allowed = ratio * (inserts - min_size) + tolerance * min_size * ratio
  assert _sample_until_blocked(server) == int(allowed)


def test_samples_per_insert_holds_the_actors(serve, wait_until):
  ratio, min_size, tolerance = 2.0, 20, 0.5
  server = serve(tables.make_tables(_make_config(
      min_size=min_size, samples_per_insert=ratio,
      samples_per_insert_tolerance=tolerance), _SPEC))
  client = server.localhost_client()
  stop = threading.Event()
  adder = transition_oracle.make_adder(
      client, _SCRIPT, n_step=1, flush_period=1, stop=stop,
      max_pending_items=1)
  thread = threading.Thread(
      target=transition_oracle.add_known_priorities,
      args=(adder, [1.0] * 60), daemon=True)
  thread.start()

  def size():
    return client.server_info(timeout=10)[layout.TABLE].current_size

  def blocked_at(expected):
    waited = adder.statistics.insert_wait_seconds
    wait_until(lambda: size() == expected and
               adder.statistics.insert_wait_seconds > waited + 1.0)
    assert size() == expected

  # Half the minimum size ahead of what was sampled, and no further.
  ahead = min_size + int(tolerance * min_size)
  blocked_at(ahead)
  transition_oracle.sample(client, 10)
  blocked_at(ahead + int(10 / ratio))
  stop.set()
  thread.join(30.0)
  assert not thread.is_alive()
  adder.close()


@pytest.mark.parametrize('ratio, limit_ratio', [(0.0, True), (1.0, False)])
def test_without_a_limit_nobody_waits(serve, ratio, limit_ratio):
  """No ratio, or a program in one thread that keeps it by itself."""
  server = serve(tables.make_tables(
      _make_config(min_size=5, samples_per_insert=ratio), _SPEC, limit_ratio))
  client = server.localhost_client()
  _fill(client, [1.0] * 100)
  assert sum(_counts(client, 300).values()) == 300
