"""Servers in processes of their own, whose cost is told apart."""

import functools
import multiprocessing
import multiprocessing.connection
import tempfile
from typing import Any, Callable, Dict, List

import psutil
import reverb
from reverb.platform import checkpointers_lib

_STOP_SECONDS = 10.0

# Serves until its end; is given the connection on which it sends its port.
_Serve = Callable[[multiprocessing.connection.Connection], None]


class Server:
  """A server in a process of its own.

  Attributes:
    address: `localhost:port`.
    process: of the server.
  """

  def __init__(self, serve: _Serve):
    """Starts it and waits until it serves.

    Args:
      serve: called in its process, so that it has to be pickled: a function of
        a module, perhaps a `functools.partial` of one.
    """
    context = multiprocessing.get_context('spawn')
    self._connection, theirs = context.Pipe()
    self._server = context.Process(target=serve, args=(theirs,), daemon=True)
    self._server.start()
    theirs.close()
    self.address = f'localhost:{self._connection.recv()}'
    self.process = psutil.Process(self._server.pid)

  def clocks(self) -> Dict[str, Callable[[], float]]:
    """What `workers.count` reads: CPU time of this process and of the
    server's, and the bytes between all processes of this machine."""
    return {
        'cpu_seconds': functools.partial(cpu_seconds, psutil.Process()),
        'server_cpu_seconds': functools.partial(cpu_seconds, self.process),
        'network_bytes': _network_bytes,
    }

  def close(self) -> None:
    """Ends it; it need not free what it holds."""
    self._connection.close()
    self._server.terminate()
    self._server.join(_STOP_SECONDS)
    if self._server.is_alive():
      self._server.kill()
      self._server.join()

  def __enter__(self) -> 'Server':
    return self

  def __exit__(self, *unused_arguments: Any) -> None:
    self.close()


class ReplayServer(Server):
  """A Reverb server."""

  def __init__(self, make_tables: Callable[[], List[reverb.Table]]):
    """Args: called in its process, see `Server`."""
    super().__init__(functools.partial(_serve_replay, make_tables))


def _serve_replay(make_tables: Callable[[], List[reverb.Table]],
                  connection: multiprocessing.connection.Connection) -> None:
  with tempfile.TemporaryDirectory() as directory:
    server = reverb.Server(
        make_tables(), port=None,
        checkpointer=checkpointers_lib.DefaultCheckpointer(directory))
    connection.send(server.port)
    wait_for_end(connection)
    server.stop()


def wait_for_end(connection: multiprocessing.connection.Connection) -> None:
  """In a server's process: until it is to end."""
  try:
    connection.recv()
  except EOFError:
    pass


def _network_bytes() -> float:
  """Sent over the loopback interface so far, gRPC and TCP included."""
  return psutil.net_io_counters(pernic=True)['lo'].bytes_sent


def cpu_seconds(process: psutil.Process) -> float:
  """All threads of a process, in user and in system mode."""
  times = process.cpu_times()
  return times.user + times.system
