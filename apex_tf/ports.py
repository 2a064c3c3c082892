"""Whether a port is free, which Reverb does not ask: it would share it."""

import errno
import socket
import threading
import time

from absl import logging

# What a killed predecessor may need to be gone from its port.
_WAIT_SECONDS = 20.0


def listen_once(port: int) -> None:
  """Listens on a port alone, in both families as the servers do.

  Raises:
    OSError: another listens there, or it is not allowed.
  """
  for family, host in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
    try:
      listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:  # A machine without this family.
      continue
    with listener:
      # What is left of a run that has ended (TIME_WAIT) is not in the way.
      listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
      try:
        listener.bind((host, port))
        listener.listen(1)
      except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
          raise


def wait_until_free(port: int, stop: threading.Event,
                    seconds: float = _WAIT_SECONDS) -> None:
  """Waits until a server may have a port for itself.

  Args:
    port: to listen on.
    stop: ends the wait.
    seconds: to wait at most.

  Raises:
    OSError: it is still taken; names the port.
  """
  deadline = time.monotonic() + seconds
  while not stop.is_set():
    try:
      return listen_once(port)
    except OSError as error:
      if time.monotonic() >= deadline:
        raise OSError(error.errno,
                      f'port {port} is taken ({error.strerror})') from error
      logging.log_first_n(logging.WARNING, 'Port %d is taken: %s (waiting).',
                          1, port, error.strerror)
      stop.wait(0.2)


def answers(host: str, port: int, seconds: float = 1.0) -> bool:
  """Whether anyone listens on a port.

  Args:
    host: name or address.
    port: of it.
    seconds: to wait for it at most.
  """
  try:
    with socket.create_connection((host.strip('[]'), port), seconds):
      return True
  except OSError:
    return False
