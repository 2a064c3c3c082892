"""Two learners and one real replay server."""

import contextlib
import threading
import time

import pytest
import reverb

from apex_tf import config as config_lib
from apex_tf import leases
from apex_tf import waiting
from apex_tf.replay import learner_lease
from apex_tf.replay import tables
from tests import scripted_environment

_FIRST = leases.Holder('a, process 1', 'x')
_SECOND = leases.Holder('b, process 2', 'y')
_PATIENCE = waiting.Patience(60.0)


@pytest.fixture
def address(serve):
  return f'localhost:{serve([learner_lease.make_table()]).port}'


def _take(lease):
  return lease.take(threading.Event(), _PATIENCE)


def test_a_learner_at_work_is_not_disturbed(address):
  first = learner_lease.LearnerLease(address, _FIRST)
  assert _take(first)
  first.renew()
  stop = threading.Event()

  def renew():
    while not stop.wait(0.2):
      with contextlib.suppress(RuntimeError):  # Not in time, once.
        first.renew()

  thread = threading.Thread(target=renew)
  thread.start()
  try:
    with pytest.raises(leases.RefusedError, match=(
        f'the replay at {address} has a learner, which is at work: a, proc')):
      _take(learner_lease.LearnerLease(address, _SECOND))
  finally:
    stop.set()
    thread.join()
  first.renew()


def test_what_is_not_renewed_is_free(address, monkeypatch):
  monkeypatch.setattr(leases, 'LEASE_SECONDS', 2.0)
  first = learner_lease.LearnerLease(address, _FIRST)
  assert _take(first)
  start = time.monotonic()
  second = learner_lease.LearnerLease(address, _SECOND)
  assert _take(second)
  assert time.monotonic() - start >= 2.0
  second.renew()
  with pytest.raises(leases.RefusedError, match='another learner by now: b, '):
    first.renew()


def test_the_next_process_of_a_supervisor_does_not_wait(address):
  assert _take(learner_lease.LearnerLease(address, _FIRST))
  start = time.monotonic()
  again = leases.Holder(_FIRST.owner, 'z')
  assert _take(learner_lease.LearnerLease(address, again))
  assert time.monotonic() - start < leases.LEASE_SECONDS / 2


def test_a_lease_that_is_given_back_is_free(address):
  first = learner_lease.LearnerLease(address, _FIRST)
  second = learner_lease.LearnerLease(address, _SECOND)
  assert _take(first)
  second.give_back()  # It is not its.
  first.renew()
  first.give_back()
  start = time.monotonic()
  assert _take(second)
  assert time.monotonic() - start < leases.LEASE_SECONDS / 2


def test_a_server_that_has_lost_it_is_leased_again(address):
  first = learner_lease.LearnerLease(address, _FIRST)
  assert _take(first)
  reverb.Client(address).reset(learner_lease.TABLE)
  first.renew()
  with pytest.raises(leases.RefusedError):
    learner_lease.LearnerLease(address, _SECOND).renew()


def test_nobody_answers():
  with pytest.raises(waiting.NoAnswerError,
                     match='replay at localhost:1 has not answered for 1 s'):
    learner_lease.LearnerLease('localhost:1', _FIRST).take(
        threading.Event(), waiting.Patience(1.0))


def test_a_table_that_is_not_as_configured_is_refused(serve):
  spec = scripted_environment.ScriptedEnvironment(scripted_environment.Script(
      [[scripted_environment.Episode((0.0,))]])).spec()

  def make(capacity):
    return tables.make_tables(
        config_lib.ReplayConfig(capacity=capacity, min_size=4), spec)

  server = serve([*make(100), learner_lease.make_table()])
  address = f'localhost:{server.port}'
  assert _take(learner_lease.LearnerLease(
      address, _FIRST, make(100)[0].info))
  other = learner_lease.LearnerLease(address, _FIRST, make(90)[0].info)
  for call in (lambda: _take(other), other.renew):
    with pytest.raises(leases.RefusedError, match=(
        f'the replay at {address} is of another configuration: max_size is 100,'
        ' but must be 90')):
      call()


def test_a_replay_server_of_others_is_named(serve):
  address = f'localhost:{serve([reverb.Table.queue("other", 1)]).port}'
  with pytest.raises(waiting.NoAnswerError, match=(
      f'{address} has other tables: is it the right port')):
    _take(learner_lease.LearnerLease(address, _FIRST))
