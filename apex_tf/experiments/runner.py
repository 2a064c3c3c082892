"""Runs the cells of a study, one after the other, each as its own command."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from typing import Any, Callable, List, Sequence

from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf import settings
from apex_tf import supervisor
from apex_tf.experiments import study_directory
from apex_tf.monitoring import console as console_lib
from apex_tf.monitoring import summary as summary_lib

# Where there is no terminal, between two lines of a cell.
_PLAIN_PERIOD_SECONDS = 60.0
# Of a failed command's output, what is shown.
_SHOWN_CHARACTERS = 600
_POLL_SECONDS = 0.1


class CellError(Exception):
  """A cell whose command failed."""


def command(cell: study_directory.Cell, preset_path: str,
            preset: config_lib.Config) -> List[str]:
  """The command line that runs a cell, or goes on with it."""
  return [sys.executable, '-m', 'launch.train', f'--config={preset_path}',
          *settings.as_flags(cell.config, preset),
          f'--workdir={cell.directory.path}']


class Runner:
  """Runs cells until all are finished, or a signal says to stop.

  A cell that a signal has stopped, or that was killed with this process, goes
  on from its checkpoint when it is run again.
  """

  def __init__(self, preset_path: str, preset: config_lib.Config,
               say: Callable[[str], None] = print):
    """Initializes a runner; the signals are its own from now on.

    Args:
      preset_path: of the preset, for the commands of the cells.
      preset: what it gives without any override.
      say: is told the beginning and end of each cell.
    """
    self._preset_path = preset_path
    self._preset = preset
    self._say = say
    self._num_signals = 0
    for number in (signal.SIGINT, signal.SIGTERM):
      signal.signal(number, self._on_signal)

  @property
  def interrupted(self) -> bool:
    """Whether a signal has said to stop."""
    return self._num_signals > 0

  def run(self, cells: Sequence[study_directory.Cell]) -> List[str]:
    """Runs those that are not finished.

    Args:
      cells: of a study, in the order in which they are to be run.

    Returns:
      What failed, a line a cell.

    Raises:
      OSError: the output of a cell cannot be written.
      ValueError: what is there of a cell cannot be read; names the file.
    """
    waiting = [cell for cell in cells if not cell.is_finished()]
    if len(waiting) < len(cells):
      self._say(f'{len(cells) - len(waiting)} of {len(cells)} cells are '
                'finished already')
    failures: List[str] = []
    start = time.monotonic()
    for number, cell in enumerate(waiting):
      if self.interrupted:
        break
      left = (time.monotonic() - start) / number * (
          len(waiting) - number) if number else 0.0
      about = f', about {fmt.duration(left)} left' if number else ''
      self._say(f'Cell {len(cells) - len(waiting) + number + 1} of '
                f'{len(cells)}: {cell.name}{about}')
      try:
        self._say(self._run(cell))
      except CellError as error:
        failures.append(f'{cell.name}: {error}')
        self._say(failures[-1])
    return failures

  def _run(self, cell: study_directory.Cell) -> str:
    """Runs one; how it ended, or raises CellError."""
    os.makedirs(os.path.dirname(cell.log_file), exist_ok=True)
    self._wait_for_the_last_run(cell)
    line = command(cell, self._preset_path, self._preset)
    with open(cell.log_file, 'a+', encoding='utf-8', errors='replace') as log:
      log.write(f'$ {shlex.join(line)}\n')
      log.flush()
      began = log.tell()
      since = time.time()
      # In a session of its own, so that a Ctrl-C comes but once, from here.
      process = subprocess.Popen(
          line, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
          start_new_session=True, preexec_fn=_end_with(os.getpid()))
      with console_lib.Console(
          cell.config, cell.directory, since=since,
          plain_period_seconds=_PLAIN_PERIOD_SECONDS):
        self._wait(process)
      log.seek(began)
      said = log.read().strip()
    why = cell.unfinished_because()
    if not why:
      return summary_lib.final_line(cell.read_summary() or {})
    if self.interrupted:
      return f'{cell.name}: interrupted'
    if process.returncode:
      why = (f'exit code {process.returncode}: '
             f'{" ".join(said[-_SHOWN_CHARACTERS:].split())}')
    raise CellError(f'{why} (log: {cell.log_file})')

  def _wait_for_the_last_run(self, cell: study_directory.Cell) -> None:
    """Until the processes of a study that was killed have left its cell."""
    told = False
    while not self.interrupted and (alive := [
        role for role, record in cell.directory.read_roles().items()
        if record.alive()]):
      if not told:
        told = True
        self._say(f'Waiting for {", ".join(alive)} of its last run to end')
      time.sleep(_POLL_SECONDS)

  def _wait(self, process: 'subprocess.Popen[Any]') -> None:
    """Until it has ended; passes on that it is to, and kills it at a second
    signal."""
    passed_on = 0
    while process.poll() is None:
      if self._num_signals > passed_on:
        passed_on = self._num_signals
        if passed_on == 1:
          process.send_signal(signal.SIGTERM)
        else:
          with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
      time.sleep(_POLL_SECONDS)

  def _on_signal(self, number: int, frame: Any) -> None:
    del number, frame
    self._num_signals += 1


def _end_with(parent: int) -> Callable[[], None]:
  """Has a process stop as by Ctrl-C when this one is no more."""

  def prepare() -> None:
    if not supervisor.die_with_parent(parent, signal.SIGTERM):
      os._exit(1)

  return prepare
