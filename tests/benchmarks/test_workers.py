"""Processes that are told to work, and that fail."""

import sys

import pytest

from apex_tf.benchmarks import workers

_WORKER = """
import os, sys, time
from apex_tf.benchmarks import workers

def step():
  print('printed')  # Must not come between the answers.
  os.write(1, b'by a library')
  time.sleep(0.01)
  return 2.0

workers.serve({
    'work': lambda seconds: workers.count(
        step, seconds, {'cpu_seconds': time.process_time}),
    'fail': lambda seconds: sys.exit('no such thing as ' + str(seconds)),
}, {'size': 7})
"""


def _start():
  return workers.Worker([sys.executable, '-c', _WORKER])


def test_a_worker_counts_for_as_long_as_it_is_told():
  with _start() as worker:
    assert worker.description == {'size': 7}
    for seconds in (0.1, 0.3):
      window = worker.measure('work', seconds)
      assert window['seconds'] >= seconds
      # Each step is two, and takes at least 10 ms.
      assert 2 <= window['count'] <= 2 * (window['seconds'] / 0.01 + 1)
      assert 0 <= window['cpu_seconds'] <= window['seconds'] + 0.1


def test_what_a_worker_said_is_in_the_error():
  with _start() as worker:
    with pytest.raises(workers.WorkerError, match='no such thing as 1.5'):
      worker.measure('fail', 1.5)


def test_a_worker_that_does_not_start_is_an_error():
  with workers.Worker([sys.executable, '-c', 'raise SystemExit(3)']) as worker:
    with pytest.raises(workers.WorkerError, match='exit code 3'):
      worker.measure('work', 0.1)
