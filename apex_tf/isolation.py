"""A network of its own for the whole program: the loopback and nothing else.

Reverb and Courier listen on every interface and ask no one for a password. In
a network namespace of their own the only interface is a loopback that no other
process of the machine shares, so that only the program's own processes reach
them.

Linux gives such a namespace to root, and to anyone else together with a user
namespace, where it allows those. The latter takes a process without threads,
which numpy alone has by the time that flags are read: hence `enter` replaces
the process by this file, run by itself, which makes the namespace and then
replaces itself by the program's own command line. It stays the same process
throughout. Only the standard library is imported, and nothing of `apex_tf`.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from typing import List

# Exit code of a command line that is refused, as in `launch.command_line`.
_USAGE_ERROR = 2

# Names the network that was made for the program, so that a process that only
# inherits the variable does not take another network for its own.
_MARK = 'APEX_TF_NETWORK'

# From <linux/sched.h>, <linux/sockios.h> and <linux/if.h>.
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


class IsolationError(OSError):
  """The kernel does not give this process a network of its own."""


def isolated() -> bool:
  """Whether this process is in the network that `enter` has made."""
  return _MARK in os.environ and os.environ[_MARK] == _network()


def enter() -> None:
  """Starts the program again in a network of its own; returns in there.

  To be called before anything is started or written: what this process has in
  memory is lost, and its command line is run again. Where there can be no such
  network, the process ends with one line on standard error and exit code 2.
  """
  if isolated():
    return
  sys.stdout.flush()
  sys.stderr.flush()
  program = os.path.basename(sys.argv[0])
  command = [sys.executable, *sys.orig_argv[1:]]
  # -I: else this folder's `types` would be taken for the library's.
  os.execv(sys.executable,
           [sys.executable, '-I', os.path.abspath(__file__), program, *command])


def make() -> None:
  """Moves this process into a network of its own, with a loopback that is up.

  It keeps its user and group. Where it may not have the network as it is (it
  may as root), it gets it with a user namespace, in which only its own user
  and group have names.

  Raises:
    IsolationError: says what the kernel has refused.
  """
  try:
    _unshare(_CLONE_NEWNET)
    _raise_loopback()
  except PermissionError:
    user, group = os.geteuid(), os.getegid()
    try:
      _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
      _write('/proc/self/setgroups', 'deny')
      _write('/proc/self/uid_map', f'{user} {user} 1')
      _write('/proc/self/gid_map', f'{group} {group} 1')
      _raise_loopback()
    except OSError as error:
      raise IsolationError(
          f'the kernel refuses user namespaces ({error})') from error
  except OSError as error:
    raise IsolationError(
        f'the kernel refuses network namespaces ({error})') from error


def _unshare(flags: int) -> None:
  """unshare(2), which Python has from 3.12 on."""
  libc = ctypes.CDLL(None, use_errno=True)
  if libc.unshare(flags):
    code = ctypes.get_errno()
    raise OSError(code, f'unshare: {os.strerror(code)}')


def _write(path: str, text: str) -> None:
  with open(path, 'w', encoding='utf-8') as file:
    file.write(text)


def _raise_loopback() -> None:
  """As `ip link set lo up`."""
  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    request = struct.pack('16sh22x', b'lo', 0)
    answer = fcntl.ioctl(control, _SIOCGIFFLAGS, request)
    _, flags = struct.unpack('16sh22x', answer)
    fcntl.ioctl(control, _SIOCSIFFLAGS,
                struct.pack('16sh22x', b'lo', flags | _IFF_UP))


def _network() -> str:
  """The name of this process's network namespace, such as "net:[4026]"."""
  try:
    return os.readlink('/proc/self/ns/net')
  except OSError as error:  # No /proc, or a kernel without namespaces.
    raise IsolationError(f'/proc/self/ns/net is not there ({error})') from error


def main(argv: List[str]) -> None:
  """Runs a command in a network of its own.

  Args:
    argv: this file, the program's name for the error message, the command.
  """
  _, program, *command = argv
  try:
    make()
    os.environ[_MARK] = _network()
  except IsolationError as error:
    print(f'{program}: isolate cannot be had here: {error}', file=sys.stderr)
    sys.exit(_USAGE_ERROR)
  os.execv(command[0], command)


if __name__ == '__main__':
  main(sys.argv)
