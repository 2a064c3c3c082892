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
  given = [turns.begin_transfer() for _ in range(transfers.MAX_TRANSFERS)]
  assert len(set(given)) == len(given) and all(given)
  assert turns.begin_transfer() == ''
  turns.end_transfer(given[3])
  assert turns.begin_transfer() not in ('', *given)
  assert turns.begin_transfer() == ''
  turns.end_transfer(given[3])  # Courier may repeat a call.
  assert turns.begin_transfer() == ''


def test_a_turn_that_is_not_given_back_ends():
  clock = _Clock()
  turns = transfers.Turns(clock)
  for _ in range(transfers.MAX_TRANSFERS):
    turns.begin_transfer()
  clock.now += transfers.TRANSFER_SECONDS - 0.1
  assert not turns.begin_transfer()
  clock.now += 0.2
  assert turns.begin_transfer()


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
    source = transfers.TurnTaker(server, server, lambda _: time.sleep(0.002))
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
  while server.begin_transfer():
    pass
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
