"""The arithmetic of the paper's load, and peers that are paused."""

import sys
import time

import psutil
import pytest

from apex_tf.benchmarks import program_suites
from apex_tf.benchmarks import workers


def test_the_papers_load_in_cores():
  cores = program_suites._paper_cores({
      'write cpu_seconds': 200.0, 'write server_cpu_seconds': 40.0,
      'sample cpu_seconds': 100.0, 'sample server_cpu_seconds': 20.0})
  # 12,500 inserts and 9,728 samples a second.
  assert cores['replay server'] == pytest.approx(0.5 + 0.19456)
  assert cores["learner's input pipeline"] == pytest.approx(0.9728)
  assert cores['replay server and input pipeline'] == pytest.approx(
      0.69456 + 0.9728)
  assert cores['writing of all actors'] == pytest.approx(2.5)


_BUSY = """
import subprocess, sys, time
from apex_tf.benchmarks import workers
child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
workers.serve({'work': lambda seconds: time.sleep(seconds) or {}},
              {'child': child.pid})
child.kill()
"""


def test_a_paused_worker_and_its_children_do_nothing():
  with workers.Worker([sys.executable, '-c', _BUSY]) as worker:
    child = psutil.Process(worker.description['child'])

    def used():
      times = child.cpu_times()
      return times.user + times.system

    with program_suites._paused_between(worker, 'work') as measure:
      measure(0.1)
      for _ in range(2):
        before = used()
        time.sleep(0.3)
        assert used() == before
        assert child.status() == psutil.STATUS_STOPPED
        measure(0.3)
        assert used() > before
    assert child.status() != psutil.STATUS_STOPPED
  child.wait(30)
