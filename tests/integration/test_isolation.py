"""Who reaches a run's servers: anyone, or with `--isolate` only the run."""

import pathlib
import socket
from typing import List, Tuple

import portpicker
import psutil
import pytest

from tests import namespaces
from tests.integration import programs

_LISTENING = '0A'  # As in <net/tcp_states.h>.


def _listens(pid: int, port: int) -> bool:
  """Whether anything listens at the port in the network of a process."""
  for name in ('tcp', 'tcp6'):
    path = pathlib.Path(f'/proc/{pid}/net/{name}')
    for row in path.read_text().splitlines()[1:] if path.exists() else ():
      _, local, _, state = row.split()[:4]
      if state == _LISTENING and int(local.rsplit(':', 1)[1], 16) == port:
        return True
  return False


def _addresses() -> List[Tuple[str, bool]]:
  """IPv4 addresses of this machine, and whether each is of the loopback."""
  return [(address.address, name == 'lo')
          for name, addresses in psutil.net_if_addrs().items()
          for address in addresses if address.family == socket.AF_INET]


def _connects(host: str, port: int) -> bool:
  try:
    socket.create_connection((host, port), timeout=5).close()
  except OSError:
    return False
  return True


@pytest.mark.parametrize('isolate', [False, True])
def test_who_connects_to_a_run(launch, isolate):
  ports = [portpicker.pick_unused_port() for _ in range(2)]
  program = launch(f'--isolate={isolate}',
                   f'--config.replay.port={ports[0]}',
                   f'--config.learner.port={ports[1]}')
  if isolate and not namespaces.kernel_gives_networks():
    code, out, err = program.wait()
    assert (code, out) == (2, '')
    assert err.startswith('train.py: isolate cannot be had here: the kernel ')
    assert err.count('\n') == 1 and not program.workdir.exists()
    return
  # Its own processes reach each other.
  program.wait_until(lambda: program.phase() == 'learning')
  addresses = _addresses()
  assert ('127.0.0.1', True) in addresses
  for port in ports:
    assert _listens(program.pid, port)
    for host, _ in addresses:
      assert _connects(host, port) != isolate, (host, port)
  program.terminate()
  code, _, err = program.wait()
  assert (code, programs.without_waiting(err)) == (0, '')
  assert program.workdir.stat().st_mode & 0o777 == 0o700
