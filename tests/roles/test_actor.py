"""The actor's role, in a thread as in `local_mt`: what it leaves behind."""

from concurrent import futures
import math
import threading

import portpicker
import pytest

from apex_tf import builder as builder_lib
from apex_tf import leases
from apex_tf.monitoring import opening
from apex_tf.roles import actor as actor_role


@pytest.fixture
def stop():
  return threading.Event()


@pytest.fixture
def act(tmp_path, config, serve, learner, stop):
  """Starts the role; the future of its end."""
  replay = serve(builder_lib.Builder(config).make_replay_tables())
  pool = futures.ThreadPoolExecutor(1)

  def start(variables_address=learner.address):
    return pool.submit(
        actor_role.run_actor, config,
        opening.prepare(str(tmp_path / 'run'), 'auto'), 0,
        f'localhost:{replay.port}', learner.address, variables_address, stop)

  yield start
  stop.set()
  pool.shutdown()


def _periodic_tasks():
  return [thread.name for thread in threading.enumerate()
          if thread.name.startswith('actor_0_')]


def test_one_whose_environment_fails_is_gone(
    act, learner, failing, wait_until, monkeypatch):
  monkeypatch.setattr(leases, 'LEASE_SECONDS', math.inf)
  end = act()
  wait_until(lambda: 'actor_0' in learner.heard)
  assert len(_periodic_tasks()) == len(failing.open) == 2
  failing.fails.set()
  with pytest.raises(RuntimeError, match='the simulator is gone'):
    end.result(60.0)
  assert not _periodic_tasks()
  assert not failing.open
  # It has not left, as of one that may come back, but renews nothing either.
  assert not learner.is_free('actor_0')
  monkeypatch.setattr(leases, 'LEASE_SECONDS', 0.0)
  assert learner.is_free('actor_0')


def test_one_that_is_stopped_leaves(act, learner, failing, stop, wait_until):
  end = act()
  wait_until(lambda: 'actor_0' in learner.heard)
  stop.set()
  assert end.result(60.0) is None
  assert not _periodic_tasks()
  assert not failing.open
  assert learner.is_free('actor_0')


def test_one_that_is_stopped_before_it_acts_leaves(
    act, learner, failing, stop, wait_until, caplog, monkeypatch):
  monkeypatch.setattr(leases, 'LEASE_SECONDS', math.inf)
  end = act(f'localhost:{portpicker.pick_unused_port()}')
  wait_until(lambda: 'Waiting for variables at' in caplog.text)
  assert failing.open
  assert not learner.is_free('actor_0')
  stop.set()
  assert end.result(60.0) is None
  assert not failing.open
  assert learner.is_free('actor_0')
