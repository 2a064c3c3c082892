"""Reverb servers in processes of their own, whose cost is told apart."""

import functools
import multiprocessing
import multiprocessing.connection
import tempfile
from typing import Any, Callable, Dict, List

import psutil
import reverb
from reverb.platform import checkpointers_lib

_STOP_SECONDS = 10.0


def _serve(connection: multiprocessing.connection.Connection,
           make_tables: Callable[[], List[reverb.Table]]) -> None:
  """The server's process: sends its port, ends when the other end closes."""
  with tempfile.TemporaryDirectory() as directory:
    server = reverb.Server(
        make_tables(), port=None,
        checkpointer=checkpointers_lib.DefaultCheckpointer(directory))
    connection.send(server.port)
    try:
      connection.recv()
    except EOFError:
      pass
    server.stop()


class ReplayServer:
  """A Reverb server in a process of its own.

  Attributes:
    address: `localhost:port`.
    process: of the server.
  """

  def __init__(self, make_tables: Callable[[], List[reverb.Table]]):
    """Starts it and waits until it serves.

    Args:
      make_tables: called in its process, so that it has to be pickled: a
        function of a module, perhaps a `functools.partial` of one.
    """
    context = multiprocessing.get_context('spawn')
    self._connection, theirs = context.Pipe()
    self._server = context.Process(
        target=_serve, args=(theirs, make_tables), daemon=True)
    self._server.start()
    theirs.close()
    self.address = f'localhost:{self._connection.recv()}'
    self.process = psutil.Process(self._server.pid)

  def clocks(self) -> Dict[str, Callable[[], float]]:
    """CPU time of this process and of the server's, as `workers.count` reads
    it."""
    return {
        'cpu_seconds': functools.partial(cpu_seconds, psutil.Process()),
        'server_cpu_seconds': functools.partial(cpu_seconds, self.process),
    }

  def close(self) -> None:
    """Ends it; it need not free what it holds."""
    self._connection.close()
    self._server.terminate()
    self._server.join(_STOP_SECONDS)
    if self._server.is_alive():
      self._server.kill()
      self._server.join()

  def __enter__(self) -> 'ReplayServer':
    return self

  def __exit__(self, *unused_arguments: Any) -> None:
    self.close()


def cpu_seconds(process: psutil.Process) -> float:
  """All threads of a process, in user and in system mode."""
  times = process.cpu_times()
  return times.user + times.system
