"""Leases, with a clock that the test moves."""

import pytest

from apex_tf import leases
from apex_tf.monitoring import role_records


class _Clock:

  def __init__(self):
    self.now = 100.0

  def __call__(self):
    return self.now


_FIRST = leases.Holder('a, process 1', 'x')
_SECOND = leases.Holder('b, process 2', 'y')


@pytest.fixture
def clock():
  return _Clock()


def test_a_place_is_had_until_nobody_renews_it(clock):
  places = leases.Leases(clock)
  assert places.take('actor_0', _FIRST) is None
  for _ in range(5):  # As long as it is renewed.
    clock.now += leases.LEASE_SECONDS - 0.1
    assert places.take('actor_0', _SECOND) == _FIRST
    assert places.take('actor_0', _FIRST) is None
  assert places.take('actor_1', _SECOND) is None  # Another place.
  clock.now += leases.LEASE_SECONDS + 0.1
  assert places.take('actor_0', _SECOND) is None
  # The first is too late.
  assert places.take('actor_0', _FIRST) == _SECOND


def test_a_supervisor_sees_to_it_itself(clock):
  places = leases.Leases(clock)
  again = leases.Holder(_FIRST.owner, 'z')
  assert places.take('actor_0', _FIRST) is None
  assert places.take('actor_0', again) is None
  assert places.take('actor_0', _SECOND) == again


def test_processes_and_their_owners(monkeypatch):
  monkeypatch.delenv(role_records.RESTARTS_VARIABLE, raising=False)
  first, second = leases.this_process(), leases.this_process()
  assert first.owner != second.owner
  assert first.incarnation != second.incarnation
  monkeypatch.setenv(role_records.RESTARTS_VARIABLE, '0')
  third, fourth = leases.this_process(), leases.this_process()
  assert third.owner == fourth.owner != first.owner
  assert third.incarnation != fourth.incarnation


def test_a_place_that_is_given_back_is_free(clock):
  places = leases.Leases(clock)
  assert places.take('actor_0', _FIRST) is None
  places.give_back('actor_0', _SECOND)  # It is not its.
  assert places.take('actor_0', _SECOND) == _FIRST
  places.give_back('actor_0', _FIRST)
  assert places.take('actor_0', _SECOND) is None
