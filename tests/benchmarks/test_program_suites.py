"""Peers that are paused."""

import sys
import time

import psutil

from apex_tf.benchmarks import program_suites
from apex_tf.benchmarks import workers

_BUSY = """
import subprocess, sys, time
from apex_tf.benchmarks import workers
child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
workers.serve({'work': lambda seconds: time.sleep(seconds) or {}},
              {'child': child.pid})
child.kill()
"""


def test_a_paused_worker_and_its_children_do_nothing(wait_until):
  with workers.Worker([sys.executable, '-c', _BUSY]) as worker:
    child = psutil.Process(worker.description['child'])

    def used():
      times = child.cpu_times()
      return times.user + times.system

    with program_suites._paused_between(worker, 'work') as measure:
      measure(0.1)
      for _ in range(2):
        # The kernel stops a busy one at its next turn.
        wait_until(lambda: child.status() == psutil.STATUS_STOPPED)
        before = used()
        time.sleep(0.3)
        assert used() == before
        measure(0.3)
        assert used() > before
    assert child.status() != psutil.STATUS_STOPPED
  child.wait(30)
