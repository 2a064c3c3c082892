"""Whole programs for the tests: the real `launch.train`, small and quick."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Set, Tuple

import psutil
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.custom_scalar import metadata
from tensorboard.util import tensor_util

from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Over a preset: tiny networks, a tiny replay, points in TensorBoard at once.
SMALL = (
    '--config.dqn.hidden_sizes=16',
    '--config.dqn.dueling_hidden_size=16',
    '--config.dpg.policy_hidden_sizes=16',
    '--config.dpg.critic_hidden_sizes=16',
    '--config.replay.min_size=100',
    '--config.replay.capacity=1000',
    '--config.learner.batch_size=8',
    '--config.learner.publish_period=10',
    '--config.actor.num_actors=1',
    '--config.actor.environments_per_actor=2',
    '--config.evaluator.episodes=2',
    '--config.evaluator.max_seconds=20',
    '--config.evaluator.period_seconds=1',
    '--config.run.metrics_period_seconds=0.5',
    # The presets have targets and minutes; most tests choose their own.
    '--config.run.target_return=inf',
    '--config.run.max_minutes=inf',
)

# Five processes import TensorFlow, perhaps while others use the machine.
PATIENCE_SECONDS = 1200.0


# Learner steps of the run that several tests look at once it has ended: enough
# that both of its actors are at work by then.
FINISHED_STEPS = 1000


def shell_environment() -> Dict[str, str]:
  """Without what TensorFlow sets in the tests' process when it is imported."""
  return {name: value for name, value in os.environ.items()
          if name != 'TF2_BEHAVIOR'}


class Ended(NamedTuple):
  """A command that has ended."""
  code: int
  out: str
  err: str


class Program:
  """A `launch.train` in a session of its own, as from a terminal."""

  def __init__(self, workdir: pathlib.Path, flags: Sequence[str],
               python_path: str = '', preset: str = 'cartpole'):
    """Starts it.

    Args:
      workdir: its run directory.
      flags: further ones, after those of `SMALL`.
      python_path: further folder to import from.
      preset: name of a file in `configs`.
    """
    self.workdir = workdir
    self._process = subprocess.Popen(
        [sys.executable, '-m', 'launch.train',
         f'--config={ROOT}/configs/{preset}.py', f'--workdir={workdir}',
         *SMALL, *flags],
        cwd=workdir.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
        env={**shell_environment(), 'TF_CPP_MIN_LOG_LEVEL': '2',
             'PYTHONPATH': f'{ROOT}:{python_path}'})
    self.pid = self._process.pid

  def wait(self, seconds: float = PATIENCE_SECONDS) -> Ended:
    """Waits until it has ended and its pipes are closed."""
    out, err = self._process.communicate(timeout=seconds)
    return Ended(self._process.returncode, out, err)

  def wait_until(self, condition: Callable[[], Any]) -> None:
    """Waits for a condition; fails where the program ends before it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
      assert self._process.poll() is None, self.wait()
      assert time.monotonic() < deadline, 'waited in vain'
      time.sleep(0.05)

  def phase(self) -> str:
    """Of the run; '' before there is one."""
    try:
      return json.loads((self.workdir / 'status.json').read_text())['phase']
    except FileNotFoundError:
      return ''

  def role_pid(self, role: str) -> int:
    """Process of a role that has started."""
    return json.loads(
        (self.workdir / 'roles' / f'{role}.json').read_text())['pid']

  def has_started(self, role: str) -> bool:
    return (self.workdir / 'roles' / f'{role}.json').exists()

  def press_ctrl_c(self) -> None:
    """As a terminal does: to every process of the foreground."""
    os.killpg(self.pid, signal.SIGINT)

  def terminate(self) -> None:
    """As `kill` does: to the launcher alone."""
    os.kill(self.pid, signal.SIGTERM)

  def survivors(self) -> List[str]:
    """Command lines of its processes that have not ended, its own too."""
    found = []
    for process in psutil.process_iter():
      try:
        if os.getsid(process.pid) == self.pid and (
            process.status() != psutil.STATUS_ZOMBIE):
          found.append(' '.join(process.cmdline()))
      except (ProcessLookupError, psutil.NoSuchProcess):
        continue
    return found

  def kill(self) -> None:
    """Ends whatever is left of it."""
    for process in psutil.process_iter():
      try:
        if os.getsid(process.pid) == self.pid:
          process.kill()
      except (ProcessLookupError, psutil.NoSuchProcess):
        continue
    self._process.communicate()


def read_points(workdir: pathlib.Path,
                role: str) -> Dict[str, List[Tuple[int, float]]]:
  """Steps and values of each metric that a role has written."""
  events = event_accumulator.EventAccumulator(
      str(workdir / 'tensorboard' / role),
      size_guidance={event_accumulator.TENSORS: 0})
  events.Reload()
  result = {}
  for tag in set(events.Tags()['tensors']) - {metadata.CONFIG_SUMMARY_TAG}:
    kind, _, name = tag.partition('/')
    assert kind == metric_table.role_kind(role)
    result[name] = [
        (event.step, float(tensor_util.make_ndarray(event.tensor_proto)))
        for event in events.Tensors(tag)]
  return result


def metrics_of(role: str, agent: str) -> Set[str]:
  """Names of the metrics that a role writes in a run that is not of Atari."""
  return {name for name, metric in metrics_lib.METRICS.items()
          if metric_table.role_kind(role) in metric.roles and
          metric.agent in ('', agent)} - {'human_normalized_score'}


def without_waiting(err: str) -> str:
  """What a program has said besides that it waits for a checkpoint.

  Which it says where nodes take seconds to end, as on a machine with other
  things to do.
  """
  return ''.join(line for line in err.splitlines(keepends=True)
                 if 'Waiting for the checkpoint of ' not in line)


def read_json(path: pathlib.Path) -> Any:
  return json.loads(path.read_text())
