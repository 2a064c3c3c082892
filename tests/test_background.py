"""Periodic work in threads."""

import threading
import time

from apex_tf import background


def test_calls_again_and_again_until_stopped(wait_until):
  calls = []
  task = background.PeriodicTask(
      lambda: calls.append(threading.current_thread()), 0.01, 'counting')
  wait_until(lambda: len(calls) >= 5)
  task.stop()
  assert not calls[0].is_alive()
  assert {thread.name for thread in calls} == {'counting'}
  assert threading.current_thread() not in calls


def test_errors_do_not_end_it(wait_until):
  calls = []

  def fail_now_and_then():
    calls.append(len(calls))
    if len(calls) % 2:
      raise ValueError('not now')

  task = background.PeriodicTask(fail_now_and_then, 0.01, 'failing')
  wait_until(lambda: len(calls) >= 6)
  task.stop()


def test_stop_interrupts_a_long_period(wait_until):
  calls = []
  task = background.PeriodicTask(lambda: calls.append(1), 3600.0, 'rare')
  start = time.monotonic()
  task.stop()
  assert time.monotonic() - start < 10.0
  assert not calls


def test_stop_does_not_wait_for_a_call_that_hangs(wait_until):
  entered, leave = threading.Event(), threading.Event()

  def hang():
    entered.set()
    leave.wait()

  task = background.PeriodicTask(hang, 0.01, 'hanging')
  wait_until(entered.is_set)
  start = time.monotonic()
  task.stop(timeout_seconds=0.1)
  assert time.monotonic() - start < 10.0
  leave.set()
