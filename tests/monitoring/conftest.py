"""Runs to look at, made by hand, and roles to be killed."""

import math
import pathlib
import subprocess
import sys
from typing import Callable, Iterator, List

import pytest

from apex_tf import config as config_lib
from apex_tf.monitoring import status as status_lib

# Where a process of its own finds apex_tf, installed or not.
_ROOT = pathlib.Path(__file__).parents[2]

# A role in a process of its own, that waits to be killed.
_ROLE = """
import sys, time
from apex_tf.monitoring import run_directory
directory = run_directory.RunDirectory(sys.argv[1])
directory.record_start(sys.argv[2])
print('started', flush=True)
time.sleep(60)
"""


def make_evaluation(index: int, returns: List[float],
                    **others: object) -> status_lib.Evaluation:
  """The evaluation that ended after `index + 1` quarters of a minute."""
  mean = sum(returns) / len(returns) if returns else math.nan
  variance = sum((r - mean)**2 for r in returns) / max(1, len(returns))
  values = dict(
      learner_step=400 * index, agent_steps=9000 * index,
      environment_frames=9000 * index, wall_seconds=15.0 * (index + 1),
      returns=returns, complete=True, final=False, mean=mean,
      std=math.sqrt(variance))
  values.update(others)
  return status_lib.Evaluation(**values)  # type: ignore[arg-type]


@pytest.fixture(name='evaluation')
def evaluation_fixture() -> Callable[..., status_lib.Evaluation]:
  return make_evaluation


@pytest.fixture
def config() -> config_lib.Config:
  result = config_lib.Config()
  result.run.max_minutes = 5.0
  result.run.target_return = 475.0
  result.run.seed = 7
  return result


@pytest.fixture
def status() -> status_lib.RunStatus:
  """A run in the midst of learning."""
  return status_lib.RunStatus(
      phase=status_lib.LEARNING,
      wall_seconds=200.0,
      learning_seconds=100.0,
      learner_steps=12_345,
      agent_steps=456_789,
      environment_frames=456_789,
      episodes=1234,
      rates={'learner_steps_per_second': 92.1, 'samples_per_second': 47_155.0,
             'agent_steps_per_second': 3412.2, 'frames_per_second': 3412.2},
      loss=0.01234,
      replay=status_lib.ReplayStatus(
          size=81_234, min_size=1000, capacity=100_000, inserts=100_000,
          samples=800_000, samples_per_insert=8.02),
      actors={
          '0': status_lib.ActorReport(
              incarnation='a', exploration='ε 0.00065 to 0.4',
              recent_returns=[10.0, 23.0, 45.0, 200.0, 499.0, 500.0]),
          '1': status_lib.ActorReport(
              incarnation='b', exploration='ε 0.01 to 0.1'),
      },
      evaluations=[
          make_evaluation(0, [8.0, 10.0]),
          make_evaluation(1, [240.0, 260.0]),
          make_evaluation(2, [480.0, 490.0, 500.0]),
      ])


@pytest.fixture
def start_role() -> Iterator[Callable[[str, str], 'subprocess.Popen[str]']]:
  """Starts a role (directory, role) that has recorded its start."""
  processes = []

  def start(path: str, role: str) -> 'subprocess.Popen[str]':
    process = subprocess.Popen(
        [sys.executable, '-c', _ROLE, path, role], stdout=subprocess.PIPE,
        text=True, cwd=_ROOT)
    processes.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == 'started\n'
    return process

  yield start
  for process in processes:
    process.kill()
    process.communicate()
