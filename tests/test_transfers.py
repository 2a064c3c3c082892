"""Turns at a server of variables."""

import threading
import time

import pytest

from apex_tf import transfers
from apex_tf import variables


class _Clock:

  def __init__(self):
    self.now = 100.0

  def __call__(self):
    return self.now


def test_so_many_have_a_turn_and_no_more():
  turns = transfers.Turns(_Clock())
  names = [str(number) for number in range(transfers.MAX_TRANSFERS)]
  assert all(map(turns.begin_transfer, names))
  assert not turns.begin_transfer('another')
  assert turns.begin_transfer(names[2])  # Courier may repeat a call.
  turns.end_transfer(names[3])
  assert turns.begin_transfer('another')
  assert not turns.begin_transfer('a third')
  turns.end_transfer(names[3])
  assert not turns.begin_transfer('a third')


def test_a_turn_that_is_not_given_back_ends():
  clock = _Clock()
  turns = transfers.Turns(clock)
  for number in range(transfers.MAX_TRANSFERS):
    turns.begin_transfer(str(number))
  clock.now += transfers.TRANSFER_SECONDS - 0.1
  assert not turns.begin_transfer('another')
  clock.now += 0.2
  assert turns.begin_transfer('another')


def _take_all(turns):
  for number in range(transfers.MAX_TRANSFERS):
    assert turns.begin_transfer(str(number))


class _Server(transfers.Turns):
  """Counts those whom it sends a whole version at a time."""

  def __init__(self):
    super().__init__()
    self._count_lock = threading.Lock()
    self._now = 0
    self.most = 0
    self.broken = False

  def get_variables(self, names):
    if self.broken:
      raise ConnectionError('broken')
    if variables.POLICY in names:
      with self._count_lock:
        self._now += 1
        self.most = max(self.most, self._now)
      time.sleep(0.01)
      with self._count_lock:
        self._now -= 1
    return [f'{name}, served' for name in names]


def test_all_get_theirs_a_few_at_a_time():
  server = _Server()
  received = []

  def fetch():
    source = transfers.TurnTaker(server, server, lambda _: time.sleep(0.1))
    received.append(source.get_variables(['version', 'policy']))

  threads = [threading.Thread(target=fetch) for _ in range(50)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join(30)
  assert received == [['version, served', 'policy, served']] * 50
  assert 1 < server.most <= transfers.MAX_TRANSFERS


def test_a_number_needs_no_turn():
  server = _Server()
  _take_all(server)
  source = transfers.TurnTaker(server, None, lambda _: pytest.fail('waits'))
  assert source.get_variables(['version']) == ['version, served']


def test_a_turn_is_given_back_after_an_error():
  server = _Server()
  source = transfers.TurnTaker(server, server)
  server.broken = True
  for _ in range(3 * transfers.MAX_TRANSFERS):
    with pytest.raises(ConnectionError, match='broken'):
      source.get_variables(['policy'])
  server.broken = False
  assert source.get_variables(['policy']) == ['policy, served']


def test_who_waits_too_long_is_told():
  server, waited = _Server(), []
  _take_all(server)
  with pytest.raises(transfers.BusyError):
    transfers.TurnTaker(server, server, waited.append).get_variables(['policy'])
  assert 2.5 < sum(waited) < 7.5


def test_what_was_received_counts_though_the_turn_is_not_given_back():
  server = _Server()

  def fail(client):
    raise ConnectionError(client)

  server.end_transfer = fail
  assert transfers.TurnTaker(server, server).get_variables(['policy']) == (
      ['policy, served'])
