r"""A soak: the real program for long, every process watched.

  python -m tests.soak --minutes=60 --output=soak.md --workdir=runs/soak

What comes after the options is handed to `launch.train`, such as
--config.replay.capacity=20000. The tables are printed and written to --output,
and every look at the run to a file beside it that ends in .jsonl. Exit code 0:
all bounds hold; 1: one does not, and a line says which; 2: the run ended
early. Ctrl-C ends the run, and what was seen until then is judged.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any, List, Sequence

import psutil

from apex_tf.monitoring import run_directory
from tests.soak import recorder
from tests.soak import report

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_FLAGS = (
    f'--config={_ROOT}/configs/cartpole.py',
    '--resume=never',
    # Full within the first minutes.
    '--config.replay.capacity=50000',
    '--config.actor.num_actors=2',
    '--config.learner.checkpoint_minutes=5',
    '--config.replay.checkpoint_minutes=0',
    '--config.run.target_return=inf',
    '--config.run.max_minutes=inf',
    # A policy that gets better plays longer: measured more often, it would
    # take more and more of the machine from the others.
    '--config.evaluator.period_seconds=15',
)
_PERIOD_SECONDS = 5.0
_NEWS_SECONDS = 60.0
# The learner writes a checkpoint first; see `launching`.
_STOP_SECONDS = 120.0


class _Program:
  """A `launch.train` in a session of its own."""

  def __init__(self, workdir: pathlib.Path, flags: Sequence[str],
               output: pathlib.Path):
    """Starts it; what it prints goes to the file `output`."""
    with output.open('w', encoding='utf-8') as file:
      self._process = subprocess.Popen(
          [sys.executable, '-m', 'launch.train', *_FLAGS,
           f'--workdir={workdir}', *flags],
          cwd=_ROOT, stdout=file, stderr=subprocess.STDOUT,
          start_new_session=True)
    self.pid = self._process.pid

  def has_ended(self) -> bool:
    return self._process.poll() is not None

  def end(self) -> int:
    """Ends it, politely at first; how many processes had to be killed."""
    if not self.has_ended():
      self._process.terminate()
      try:
        self._process.wait(_STOP_SECONDS)
      except subprocess.TimeoutExpired:
        pass
    survivors = 0
    for process in psutil.process_iter():
      try:
        if os.getsid(process.pid) == self.pid and (
            process.status() != psutil.STATUS_ZOMBIE):
          process.kill()
          survivors += 1
      except (ProcessLookupError, psutil.NoSuchProcess):
        continue
    self._process.wait()
    return survivors


def _interrupt(*unused_arguments: Any) -> None:
  raise KeyboardInterrupt


def _watch(program: _Program, args: argparse.Namespace,
           looks: List[recorder.Look]) -> None:
  """Looks at a program until its time is over or it has ended.

  Args:
    program: that was just started.
    args: of the command line.
    looks: to which each look is added.
  """
  start = said_at = time.monotonic()
  deadline = start + 60 * args.minutes
  due = start
  with args.output.with_suffix('.jsonl').open('w', encoding='utf-8') as file:
    while time.monotonic() < deadline and not program.has_ended():
      look = recorder.look(args.workdir, program.pid, start)
      if look is not None:
        looks.append(look)
        file.write(json.dumps(dataclasses.asdict(look)) + '\n')
        file.flush()
        if time.monotonic() - said_at >= _NEWS_SECONDS:
          said_at = time.monotonic()
          _say(look)
      due += _PERIOD_SECONDS
      time.sleep(max(0.0, min(due, deadline) - time.monotonic()))


def _say(look: recorder.Look) -> None:
  sizes = ', '.join(f'{name} {node.rss / 1e6:.0f}'
                    for name, node in look.nodes.items()
                    if not name.endswith('supervisor'))
  print(f'{look.seconds / 60:.1f} min: replay {look.replay_size:,}, '
        f'{look.agent_steps:,} agent steps, {look.learner_steps:,} learner '
        f'steps; RSS in MB: {sizes}', flush=True)


def _capacity(workdir: pathlib.Path) -> int:
  """Of the run's replay, whatever the flags say."""
  return run_directory.RunDirectory(str(workdir)).read_config().replay.capacity


def main() -> int:
  """Runs the soak; the exit code."""
  parser = argparse.ArgumentParser(
      'python -m tests.soak', description=__doc__,
      formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--minutes', type=float, default=60.0)
  parser.add_argument('--output', type=pathlib.Path, required=True)
  parser.add_argument('--workdir', type=pathlib.Path, required=True)
  args, flags = parser.parse_known_args()
  args.workdir = args.workdir.resolve()
  args.output.parent.mkdir(parents=True, exist_ok=True)
  for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, _interrupt)
  looks: List[recorder.Look] = []
  ended_early = interrupted = False
  start = time.monotonic()
  printed = args.output.with_suffix('.log')
  program = _Program(args.workdir, flags, printed)
  try:
    _watch(program, args, looks)
    ended_early = program.has_ended()
  except KeyboardInterrupt:
    interrupted = True
  finally:
    minutes = (time.monotonic() - start) / 60
    # A second Ctrl-C must not leave the run behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
      signal.signal(number, signal.SIG_IGN)
    survivors = program.end()
  own = time.process_time() / (60 * minutes)
  if not looks:
    print(f'Nothing was seen of the run; see {printed}', file=sys.stderr)
    return 2
  result = report.make(
      recorder.since_full(looks, _capacity(args.workdir)), minutes)
  lines = [*result.markdown, '',
           f'The soak itself used {100 * own:.2f} % of one core.']
  problems = [f'BROKEN: {line}' for line in result.broken]
  if ended_early:
    problems.append(f'BROKEN: the run ended by itself; see {printed}')
  if interrupted:
    problems.append('Interrupted: judged by what was seen until then.')
  if survivors:
    problems.append(f'BROKEN: {survivors} processes did not end and were '
                    'killed')
  lines += ['', *(problems or ['All bounds hold.'])]
  text = '\n'.join(lines) + '\n'
  args.output.write_text(text, encoding='utf-8')
  print(text, end='')
  if ended_early:
    return 2
  return int(bool(problems))


if __name__ == '__main__':
  sys.exit(main())
