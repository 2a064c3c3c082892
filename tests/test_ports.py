"""Ports, free and taken."""

import socket
import threading
import time

import portpicker
import pytest
import reverb

from apex_tf import ports


def _listen():
  listener = socket.socket()
  listener.bind(('', 0))
  listener.listen()
  return listener, listener.getsockname()[1]


def test_a_free_port():
  port = portpicker.pick_unused_port()
  for _ in range(3):  # And it remains free.
    ports.listen_once(port)


def test_a_taken_port():
  listener, port = _listen()
  with listener, pytest.raises(OSError, match='in use'):
    ports.listen_once(port)


def test_a_port_that_reverb_would_share():
  port = portpicker.pick_unused_port()
  server = reverb.Server([reverb.Table(
      'table', reverb.selectors.Uniform(), reverb.selectors.Fifo(), 10,
      reverb.rate_limiters.MinSize(1))], port=port)
  with pytest.raises(OSError, match='in use'):
    ports.listen_once(port)
  server.stop()
  ports.wait_until_free(port, threading.Event(), 10.0)


def test_a_port_that_becomes_free():
  listener, port = _listen()
  start = time.monotonic()
  threading.Timer(0.5, listener.close).start()
  ports.wait_until_free(port, threading.Event(), 30.0)
  assert 0.4 < time.monotonic() - start < 20.0


def test_a_port_that_remains_taken():
  listener, port = _listen()
  with listener, pytest.raises(OSError, match=f'port {port} is taken'):
    ports.wait_until_free(port, threading.Event(), 0.3)


def test_nobody_waits_once_stopped():
  listener, port = _listen()
  stop = threading.Event()
  stop.set()
  with listener:
    ports.wait_until_free(port, stop, 30.0)
