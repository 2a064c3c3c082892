"""The client of the learner, with real Courier servers that come and go."""

import threading
import time

import courier
from courier.python.client import StatusNotOk
import portpicker
import pytest

from apex_tf import learner_client
from apex_tf import ports


def _serve(port):
  server = courier.Server(port=port)
  server.Bind('add', lambda a, b=1: a + b)
  server.Bind('fail', lambda: 1 / 0)
  server.Start()
  return server


def test_calls_and_errors():
  port = portpicker.pick_unused_port()
  server = _serve(port)
  client = learner_client.connect(f'localhost:{port}')
  assert client.add(2, b=5) == 7
  with pytest.raises(StatusNotOk, match='division by zero'):
    client.fail()
  assert client.add(2) == 3
  server.Stop()


def test_a_server_that_is_not_there_yet():
  port = portpicker.pick_unused_port()
  client = learner_client.LearnerClient(f'localhost:{port}', 10.0)
  servers = []
  timer = threading.Timer(1.0, lambda: servers.append(_serve(port)))
  timer.start()
  assert client.add(1) == 2
  timer.join()
  servers[0].Stop()


def test_a_client_does_not_wait_for_a_server_that_is_back(monkeypatch):
  """gRPC would try at some 16 s, and not before 24 to 30 s again."""
  addresses = []

  def make_channel(address, **kwargs):
    addresses.append(address)
    return courier_client(address, **kwargs)

  courier_client = courier.Client
  monkeypatch.setattr(courier, 'Client', make_channel)
  port = portpicker.pick_unused_port()
  server = _serve(port)
  client = learner_client.LearnerClient(f'localhost:{port}', 0.5)
  assert client.add(1) == 2
  server.Stop()
  down_at = time.monotonic()
  while time.monotonic() - down_at < 20.0:
    with pytest.raises(StatusNotOk):
      client.add(1)
  ports.wait_until_free(port, threading.Event())
  server = _serve(port)
  back_at = time.monotonic()
  assert addresses == [f'localhost:{port}']
  # The call that finds it back still fails.
  failures = 0
  while True:
    try:
      assert client.add(1) == 2
      break
    except StatusNotOk:
      failures += 1
      assert time.monotonic() - back_at < 10.0
  # Not because gRPC has tried by itself; or just then, before a call failed.
  assert addresses[1:] == [f'localhost:0{port}'][:failures]
  print(f'answered {time.monotonic() - back_at:.2f} s after it was back')
  server.Stop()
