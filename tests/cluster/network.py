"""Several hosts on this one: network namespaces that a bridge joins.

All of it is in a user namespace, so that root is not needed, and gone once the
process that holds it has ended.
"""

import pathlib
import shlex
import shutil
import subprocess
from typing import List, Mapping, Optional, Sequence

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PREFIX = '10.77.0'
# Makes the namespaces, says so, and holds them until its input ends. What is
# mounted is seen by processes of its hosts alone.
_HOLDER = '''
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /srv
cp /etc/hosts /run/hosts
mount --bind /run/hosts /etc/hosts
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
echo ready
cat >/dev/null
'''


class UnavailableError(RuntimeError):
  """The kernel does not let this process have such a network; says why."""


class Network:
  """A bridge, and hosts with an address each that are joined by it."""

  def __init__(self) -> None:
    """Makes it, without a host.

    Raises:
      UnavailableError: it cannot be had here.
    """
    for tool in ('unshare', 'nsenter', 'ip'):
      if shutil.which(tool) is None:
        raise UnavailableError(f'{tool} is not installed')
    self._holder = subprocess.Popen(
        ['unshare', '--user', '--map-root-user', '--net', '--mount',
         'sh', '-c', _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    assert self._holder.stdout is not None
    first = self._holder.stdout.readline()
    if first != 'ready\n':
      self._holder.kill()
      raise UnavailableError(first.strip() or 'unshare has ended')
    self._enter = ['nsenter', f'--target={self._holder.pid}', '--user',
                   '--net', '--mount', '--preserve-credentials']
    self._hosts: List[str] = []

  def add_host(self, name: str, aliases: Sequence[str] = ()) -> str:
    """Makes a host, at most 10 letters, that others find by these names too.

    Returns:
      Its address.
    """
    self._hosts.append(name)
    address = f'{_PREFIX}.{len(self._hosts)}'
    line = ' '.join([address, name, *aliases])
    self._run('sh', '-c', f'echo {shlex.quote(line)} >>/etc/hosts')
    self._run('ip', 'netns', 'add', name)
    self._run('ip', 'link', 'add', f'to_{name}', 'type', 'veth', 'peer', 'name',
              'eth0', 'netns', name)
    self._run('ip', 'link', 'set', f'to_{name}', 'master', 'br0', 'up')
    for command in (['addr', 'add', f'{address}/24', 'dev', 'eth0'],
                    ['link', 'set', 'eth0', 'up'], ['link', 'set', 'lo', 'up']):
      self._run('ip', '-n', name, *command)
    return address

  def on(self, host: str, mounts: Optional[Mapping[str, str]] = None
        ) -> List[str]:
    """What is to be put before a command that runs on a host, in the project.

    Args:
      host: its name.
      mounts: the directories that it finds at paths below /srv, which others
        do not see.
    """
    script = ['set -e', f'cd {shlex.quote(str(_ROOT))}']
    for target, source in (mounts or {}).items():
      script += [f'mkdir -p {shlex.quote(target)}',
                 f'mount --bind {shlex.quote(source)} {shlex.quote(target)}']
    return [*self._enter, 'ip', 'netns', 'exec', host, 'sh', '-c',
            '\n'.join([*script, 'exec "$@"']), 'sh']

  def cut(self, host: str) -> None:
    """Pulls the cable of a host."""
    self._run('ip', 'link', 'set', f'to_{host}', 'down')

  def mend(self, host: str) -> None:
    """Puts it back."""
    self._run('ip', 'link', 'set', f'to_{host}', 'up')

  def close(self) -> None:
    """Ends it; what runs on its hosts is to be ended before."""
    assert self._holder.stdin is not None
    self._holder.stdin.close()
    self._holder.wait(30)

  def _run(self, *command: str) -> None:
    run = subprocess.run([*self._enter, *command], capture_output=True,
                         text=True, check=False)
    if run.returncode:
      raise UnavailableError(f'{" ".join(command)}: {run.stderr.strip()}')
