"""Runs configurations for moments, each in a process of its own.

What a bad number does to Reverb or TensorFlow may end the process, so each
configuration has one, forked from a process that has imported everything and
started nothing:

  Runner -> this module's main -> one fork for each configuration
"""

import dataclasses
import faulthandler
import json
import math
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import time
import traceback
from typing import Any, BinaryIO, Dict, Tuple

from apex_tf import config as config_lib
from tests.integration import config_draws

_ROOT = pathlib.Path(__file__).resolve().parents[2]

LEARNER_STEPS = 50
# After which a run hangs; a quiet machine takes two or three, a busy one 80.
_PATIENCE_SECONDS = 900.0

# Values that are allowed, but would make a run of 50 steps last: the nearest
# that does not is taken once the value itself has been validated.
_CAPS: Dict[str, Tuple[float, float]] = {
    # One thread fills replay with some 3000 transitions a second.
    'replay.min_size': (1, 500),
    # A learner step takes a batch / samples_per_insert transitions.
    'replay.samples_per_insert': (0.5, math.inf),
    'learner.batch_size': (1, 64),
    # Environments are made one by one, and a step of all of them is the least.
    'actor.num_actors': (1, 2),
    'actor.environments_per_actor': (1, 4),
    'evaluator.num_environments': (1, 4),
    'evaluator.max_seconds': (0, 1),
    # An evaluation after every second or so of acting.
    'evaluator.period_seconds': (1, math.inf),
    # A checkpoint after every step of all environments.
    'learner.checkpoint_minutes': (0.01, math.inf),
    # The run is to end after 50; a longer limit of its own is not waited for.
    'run.max_learner_steps': (LEARNER_STEPS, LEARNER_STEPS),
    # The time and the memory of a step.
    'dqn.hidden_sizes': (1, 64),
    'dqn.dueling_hidden_size': (1, 64),
    'dpg.policy_hidden_sizes': (1, 64),
    'dpg.critic_hidden_sizes': (1, 64),
}


@dataclasses.dataclass
class Outcome:
  """What became of a configuration.

  Attributes:
    how: "refused", "ran" or "failed".
    text: the refusal; how the run ended, by a field of `run`; or the failure.
    learner_steps: that it made.
    loss: of the last of them.
    seconds: that it took.
  """
  how: str
  text: str
  learner_steps: int = 0
  loss: float = 0.0
  seconds: float = 0.0


class Runner:
  """Has configurations run, one after the other."""

  def __init__(self) -> None:
    self._process = subprocess.Popen(
        [sys.executable, '-m', 'tests.integration.config_runner'], cwd=_ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={
            **os.environ, 'PYTHONPATH': str(_ROOT), 'TF_CPP_MIN_LOG_LEVEL': '2',
            'TF_RUN_EAGER_OP_AS_FUNCTION': '1', 'CUDA_VISIBLE_DEVICES': '-1'})
    assert self._process.stdin and self._process.stdout
    self._requests: BinaryIO = self._process.stdin  # type: ignore[assignment]
    self._outcomes: BinaryIO = self._process.stdout  # type: ignore[assignment]

  def run(self, values: config_draws.Overrides) -> Outcome:
    """Validates a configuration, and runs it where that allows it."""
    pickle.dump(values, self._requests)
    self._requests.flush()
    outcome: Outcome = pickle.load(self._outcomes)
    return outcome

  def close(self) -> None:
    """Ends the process; a configuration that still runs ends by itself."""
    self._requests.close()
    self._process.wait()
    self._outcomes.close()


def _tamed(config: config_lib.Config) -> config_lib.Config:
  """The same with what is within `_CAPS`."""
  result = config_lib.Config.from_json(config.to_json())
  for path, (low, high) in _CAPS.items():
    section, name = path.split('.')
    value = getattr(getattr(result, section), name)
    if path == 'replay.samples_per_insert' and not value:
      continue  # Free.
    setattr(getattr(result, section), name,
            tuple(min(max(number, low), high) for number in value)
            if isinstance(value, tuple) else
            type(value)(min(max(value, low), high)))
  if result.environment.suite == 'atari' and result.dqn.network == 'minatar':
    result.dqn.network = 'dqn2013'  # Else it has 7 million weights.
  return result


def _run(values: config_draws.Overrides, directory: str) -> Dict[str, Any]:
  """In the fork: the fields of an `Outcome`."""
  # pylint: disable=import-outside-toplevel
  from apex_tf import builder
  from apex_tf import serial
  from apex_tf import validation
  from apex_tf.monitoring import console
  from apex_tf.monitoring import opening
  from apex_tf.monitoring import summary
  from apex_tf.replay import checkpoint_size
  from apex_tf.replay import footprint
  config = config_draws.make_config(values)
  try:
    spec = validation.validate(config)
    footprint.check(config, spec)
    checkpoint_size.check(config, spec, [directory], old_is_replaced=False)
  except ValueError as error:
    return {'how': 'refused', 'text': str(error)}
  # With its rate limiter, which a run in one thread does without.
  builder.Builder(config).make_replay_tables()
  config = _tamed(config)
  run_dir = opening.prepare(directory, 'never')
  run_dir.write_config(config)
  how = serial.run(config, run_dir, console.Console(config, run_dir))
  status = run_dir.read_status()
  assert status is not None
  run_dir.write_summary(summary.summarize(status, config, {}))
  return {'how': 'ran', 'text': how or status.stop_reason,
          'learner_steps': status.learner_steps, 'loss': status.loss}


def _fork(values: config_draws.Overrides) -> Outcome:
  """Runs one in a fork; its outcome, or its failure with its last words."""
  start = time.monotonic()
  with tempfile.TemporaryDirectory() as directory:
    result, log = (os.path.join(directory, name) for name in ('result', 'log'))
    pid = os.fork()
    if not pid:
      _be_fork(values, directory, result, log)
    code = _wait(pid)
    seconds = time.monotonic() - start
    if os.path.exists(result):
      return Outcome(**json.loads(pathlib.Path(result).read_text()),
                     seconds=seconds)
    text = pathlib.Path(log).read_text(encoding='utf-8', errors='replace')
    return Outcome('failed', f'exit code {code} after {seconds:.1f} s\n'
                   f'{text[-10_000:]}', seconds=seconds)


def _be_fork(values: config_draws.Overrides, directory: str, result: str,
             log: str) -> None:
  """Never returns."""
  code = 1
  try:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.enable()
    faulthandler.dump_traceback_later(_PATIENCE_SECONDS - 5)
    fields = _run(values, os.path.join(directory, 'run'))
    pathlib.Path(f'{result}.new').write_text(json.dumps(fields))
    os.rename(f'{result}.new', result)
    code = 0
  except BaseException:  # pylint: disable=broad-except
    traceback.print_exc()
  finally:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # pylint: disable=protected-access


def _wait(pid: int) -> int:
  """Exit code of a process, which is killed where it takes too long."""
  deadline = time.monotonic() + _PATIENCE_SECONDS
  while True:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
      return os.waitstatus_to_exitcode(status)
    if time.monotonic() > deadline:
      os.kill(pid, 9)
    time.sleep(0.01)


def main() -> None:
  """Takes configurations from standard input, until it ends."""
  # Imported once for all forks, which takes seconds, before any thread.
  from apex_tf import serial  # noqa: F401
  from apex_tf import validation  # noqa: F401
  from apex_tf.agents.dpg import agent as dpg  # noqa: F401
  from apex_tf.agents.dqn import agent as dqn  # noqa: F401
  requests, outcomes = sys.stdin.buffer, os.fdopen(os.dup(1), 'wb')
  os.dup2(2, 1)
  while True:
    try:
      values = pickle.load(requests)
    except EOFError:
      return
    # By its own name, since this module is `__main__` here.
    from tests.integration import config_runner
    pickle.dump(config_runner.Outcome(**dataclasses.asdict(_fork(values))),
                outcomes)
    outcomes.flush()


if __name__ == '__main__':
  main()
