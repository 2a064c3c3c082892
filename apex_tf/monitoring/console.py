"""The live status of a run on the launching terminal.

It reads `status.json` and the role records of the run directory, so that it
needs nothing of the processes that it tells of.
"""

import sys
import threading
import time
from typing import Any, Dict, Optional, TextIO

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.live import Live

from apex_tf import config as config_lib
from apex_tf.monitoring import panel
from apex_tf.monitoring import run_directory as run_directory_lib
from apex_tf.monitoring import status as status_lib

TERMINAL_PERIOD_SECONDS = 0.5
PLAIN_PERIOD_SECONDS = 10.0


class Console:
  """Shows a panel on a terminal, or prints a line now and then.

  Either `start()` (also by `with`) shows from a thread of its own until
  `close()`, or, where there is to be one thread only, the program calls
  `update()` as often as it likes and `close()` at the end.
  """

  def __init__(self, config: config_lib.Config,
               run_directory: run_directory_lib.RunDirectory,
               stream: Optional[TextIO] = None,
               plain_period_seconds: float = PLAIN_PERIOD_SECONDS,
               since: float = 0.0):
    """Shows nothing yet.

    Args:
      config: of the run.
      run_directory: of the run.
      stream: where to; standard output by default.
      plain_period_seconds: between two lines where there is no terminal.
      since: seconds since 1970; a status that is older is of another launch.
    """
    self._config = config
    self._run_directory = run_directory
    self._since = since
    self._began_at = time.monotonic()
    self._stream = sys.stdout if stream is None else stream
    self._rich = RichConsole(file=self._stream)
    self._terminal = (
        self._rich.is_terminal and not self._rich.is_dumb_terminal and
        self._rich.encoding.startswith('utf'))
    self._period = (TERMINAL_PERIOD_SECONDS if self._terminal else
                    plain_period_seconds)
    self._live: Optional[Live] = None
    self._shown_at = float('-inf')
    self._shown: Any = None  # What was last printed without a terminal.
    self._phase = ''
    self._stop = threading.Event()
    self._thread: Optional[threading.Thread] = None

  def start(self) -> 'Console':
    """Shows the status from a thread until `close`."""
    self._thread = threading.Thread(
        target=self._run, name='console', daemon=True)
    self._thread.start()
    return self

  def update(self, force: bool = False) -> None:
    """Shows the status if it is time to, or if the phase has changed.

    A terminal that is gone is no reason to stop a run: it is left alone.
    """
    status = self._run_directory.read_status()
    if status is not None and (
        status.phase == status_lib.STARTING or
        time.time() - self._run_directory.status_age_seconds() < self._since):
      status = None  # Of the launch before this one.
    phase = status.phase if status else status_lib.STARTING
    now = time.monotonic()
    if not force and phase == self._phase and (
        now - self._shown_at < self._period):
      return
    self._shown_at, self._phase = now, phase
    try:
      self._show(status)
    except OSError:
      self._stop.set()

  def close(self) -> None:
    """Shows the last status and leaves it on the screen."""
    self._stop.set()
    if self._thread is not None:
      self._thread.join()
      self._thread = None
    self.update(force=True)
    if self._live is not None:
      self._live.stop()
      self._live = None

  def __enter__(self) -> 'Console':
    return self.start()

  def __exit__(self, *unused_exception: Any) -> None:
    self.close()

  def _run(self) -> None:
    while not self._stop.wait(TERMINAL_PERIOD_SECONDS):
      self.update()

  def _show(self, status: Optional[status_lib.RunStatus]) -> None:
    if self._terminal:
      self._show_panel(self._panel(status))
      return
    text = (panel.starting_line(self._config, self._states(),
                                time.monotonic() - self._began_at)
            if status is None else panel.line(
                status, self._config,
                self._run_directory.status_age_seconds(),
                self._run_directory.read_restarts()))
    if text != self._shown:
      self._shown = text
      encoding = getattr(self._stream, 'encoding', None) or 'utf-8'
      self._stream.write(
          text.encode(encoding, 'replace').decode(encoding) + '\n')
      self._stream.flush()

  def _panel(self, status: Optional[status_lib.RunStatus]) -> RenderableType:
    logdir = self._run_directory.tensorboard_root
    if status is None:
      return panel.render_starting(self._config, self._states(), logdir)
    return panel.render(status, self._config, logdir,
                        self._run_directory.status_age_seconds(),
                        self._run_directory.read_restarts())

  def _show_panel(self, content: RenderableType) -> None:
    if self._live is None:
      # Standard output is not ours to redirect: the program already does.
      self._live = Live(content, console=self._rich, auto_refresh=False,
                        redirect_stdout=False, redirect_stderr=False)
      self._live.start()
      # Launchpad may kill this process where it stands; a terminal whose
      # cursor stays hidden would be its legacy.
      self._rich.show_cursor(True)
    self._live.update(content, refresh=True)

  def _states(self) -> Dict[str, str]:
    return {role: record.state
            for role, record in self._run_directory.read_roles().items()}
