"""Fixtures that several rooms share: real servers, and patience."""

import signal
import time
from typing import Any, Callable, Iterator, List

from absl import logging
import hypothesis
import pytest
import reverb

from tests.cluster import network as network_lib
from tests.small_disk import SmallDisk

# A shell starts its background jobs with SIGINT ignored, and they hand that on;
# tests press Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# For the configuration fuzz: --hypothesis-profile=long.
hypothesis.settings.register_profile('long', max_examples=300)

Serve = Callable[[List[reverb.Table]], reverb.Server]
WaitUntil = Callable[..., None]


@pytest.fixture
def serve() -> Iterator[Serve]:
  """Starts real Reverb servers on free ports; stops them after the test."""
  servers = []

  def start(tables: List[reverb.Table]) -> reverb.Server:
    servers.append(reverb.Server(tables, port=None))
    return servers[-1]

  yield start
  for server in servers:
    server.stop()


@pytest.fixture
def network() -> Iterator[network_lib.Network]:
  """Several hosts on this one; only where the kernel refuses, it skips."""
  try:
    made = network_lib.Network()
  except network_lib.UnavailableError as error:
    pytest.skip(f'no network of namespaces here: {error}')
  yield made
  made.close()


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> List[str]:
  """Messages that are logged as errors."""
  messages: List[str] = []
  monkeypatch.setattr(
      logging, 'error', lambda text, *args: messages.append(text % args))
  return messages


@pytest.fixture
def wait_until() -> WaitUntil:
  """Waits until a condition holds; fails when it has not within a minute."""

  def wait(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
      assert time.monotonic() < deadline, 'waited in vain'
      time.sleep(0.01)

  return wait


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
  """A disk of 4 MB."""
  disk = SmallDisk(4)
  yield disk
  disk.close()
