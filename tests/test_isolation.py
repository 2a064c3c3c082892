"""A network of its own, and the words where the kernel gives none."""

import errno
import os
import pathlib
import subprocess
import sys

import pytest

from apex_tf import isolation
from tests import namespaces

_FILE = isolation.__file__
_REFUSED = 'train.py: isolate cannot be had here: '

# What a command finds that runs in a network of its own.
_LOOK = """
import os, socket, sys
sys.path = [path for path in sys.path if not path.endswith('apex_tf')]
assert os.environ['APEX_TF_NETWORK'] == os.readlink('/proc/self/ns/net')
for family, host, others in ((socket.AF_INET, '127.0.0.1', '192.0.2.1'),
                             (socket.AF_INET6, '::1', '2001:db8::1')):
  try:
    server = socket.create_server((host, 0), family=family)
  except OSError:
    assert family == socket.AF_INET6  # A machine without it.
    continue
  socket.create_connection(server.getsockname()[:2]).close()
  try:
    socket.create_connection((others, 80), timeout=1)
  except OSError as error:
    print(error.errno)
with open(sys.argv[1], 'w') as file:
  file.write('mine')
print(os.getuid(), os.getgid(), os.stat(sys.argv[1]).st_uid, os.getpid())
"""

# As one who is not root; an exec would make the process "dumpable", whose
# files in /proc are its own, but that one may not find the interpreter.
_AS_NOBODY = f"""
import ctypes, encodings.idna, importlib.util, os, sys
spec = importlib.util.spec_from_file_location('isolation', {_FILE!r})
isolation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(isolation)
if os.getuid() == 0:
  os.setgroups([])
  os.setgid(65534)
  os.setuid(65534)
  ctypes.CDLL(None).prctl(4, 1)
try:
  isolation.make()
except isolation.IsolationError as error:
  sys.exit('refused: ' + str(error))
os.environ['APEX_TF_NETWORK'] = os.readlink('/proc/self/ns/net')
exec({_LOOK!r})
"""


def _run(*command):
  return subprocess.run([sys.executable, '-I', *command], capture_output=True,
                        text=True, check=False, timeout=60)


def _check(result, path):
  *unreachable, who = result.stdout.splitlines()
  assert unreachable
  assert set(map(int, unreachable)) <= {errno.ENETUNREACH, errno.EADDRNOTAVAIL}
  user, group, owner, pid = map(int, who.split())
  assert owner == user == path.stat().st_uid  # Outside as inside.
  return user, group, pid


def test_a_command_in_a_network_of_its_own(tmp_path):
  path = tmp_path / 'file'
  with subprocess.Popen(
      [sys.executable, '-I', _FILE, 'train.py', sys.executable, '-c', _LOOK,
       str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
      text=True) as process:
    out, err = process.communicate(timeout=60)
  if not namespaces.kernel_gives_networks():
    assert (process.returncode, out) == (2, '')
    assert err.startswith(_REFUSED) and err.count('\n') == 1
    return
  assert process.returncode == 0, err
  user, group, pid = _check(
      subprocess.CompletedProcess([], 0, out, err), path)
  assert (user, group) == (os.getuid(), os.getgid())
  assert pid == process.pid  # Signals still reach it.


def test_without_root(tmp_path):
  tmp_path.chmod(0o777)
  for parent in tmp_path.parents:
    if parent.name.startswith(('pytest-', 'popen-')):  # Pytest's own.
      parent.chmod(0o755)
  path = tmp_path / 'file'
  result = _run('-c', _AS_NOBODY, str(path))
  if not namespaces.kernel_gives_networks(os.getuid() or 65534):
    assert result.stderr.startswith(
        'refused: the kernel refuses user namespaces (')
    return
  assert result.returncode == 0, result.stderr
  user, _, _ = _check(result, path)
  assert user == (os.getuid() or 65534)


@pytest.mark.parametrize('code, reason', [
    (errno.EPERM, 'the kernel refuses user namespaces ([Errno 1] '),
    (errno.EINVAL, 'the kernel refuses network namespaces ([Errno 22] ')])
def test_a_kernel_that_refuses(monkeypatch, capsys, code, reason):
  def refuse(flags):
    del flags
    raise OSError(code, os.strerror(code))

  monkeypatch.setattr(isolation, '_unshare', refuse)
  with pytest.raises(SystemExit) as ended:
    isolation.main([_FILE, 'train.py', '/bin/true'])
  assert ended.value.code == 2
  out, err = capsys.readouterr()
  assert out == ''
  assert err.startswith(_REFUSED + reason) and err.count('\n') == 1


def test_an_inherited_mark_is_not_believed(monkeypatch):
  assert not isolation.isolated()
  monkeypatch.setenv('APEX_TF_NETWORK', 'net:[1]')
  assert not isolation.isolated()
  monkeypatch.setenv('APEX_TF_NETWORK', os.readlink('/proc/self/ns/net'))
  assert isolation.isolated()
  isolation.enter()  # Is there already.


def test_it_imports_nothing_of_the_program():
  text = pathlib.Path(_FILE).read_text(encoding='utf-8')
  assert 'apex_tf import' not in text
