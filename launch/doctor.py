"""Can this machine, and this environment, run apex_tf? And if not, what to do.

    python3.10 launch/doctor.py                 the machine, and inside .venv
                                                the environment as well
    python3.10 launch/doctor.py --host          the machine only
    python3.10 launch/doctor.py --environment   the environment only

Runs before anything is installed, so it uses the standard library only and
imports nothing of apex_tf (run as a file, it does not see the repository
anyway). It never imports an extension: a wrong one kills the process instead of
raising. It has to run under the interpreters that it warns about, so its
syntax is that of Python 3.6.

Exit code: 0 when all is well, 1 when anything is not.
"""

import argparse
import importlib
import os
import platform
import re
import shutil
import struct
import sys
import textwrap
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

_PYTHON = (3, 10)
_LIBPYTHON = 'libpython3.10.so.1.0'
# The newest platform tag among the wheels of requirements.lock.
_GLIBC = (2, 28)
# What the installation and the stack import, and a Python that was built
# without the C libraries, or split into several packages, may lack.
_MODULES = ('bz2', 'ctypes', 'ensurepip', 'lzma', 'ssl', 'venv', 'zlib')
# The environment takes 2.4 GB, and what pip downloads on the way 0.9 GB.
_DISK_TO_INSTALL = 4 * 10**9
_DISK_TO_RUN = 5 * 10**8

# How many differences from the lock are named.
_SHOWN = 8

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_VENV = os.path.join(_ROOT, '.venv')

_GET_PYTHON = (
    'Get a Python 3.10 with a shared libpython: where apt has one '
    '(Ubuntu 22.04), `apt install python3.10 python3.10-venv '
    'libpython3.10`; elsewhere, with pyenv, `PYTHON_CONFIGURE_OPTS='
    '--enable-shared pyenv install 3.10`. If it is not called python3.10, '
    'say `make PYTHON=/path/to/python3.10 ...`.')


class Facts(NamedTuple):
  """What was seen of the machine and the interpreter.

  Attributes:
    implementation: such as 'cpython'.
    version: major, minor and patch version of the interpreter.
    executable: the interpreter's path.
    system: such as 'Linux'.
    machine: such as 'x86_64'.
    pointer_bits: 32 or 64.
    glibc: its version, or None where the C library is another.
    avx: whether the processor has AVX, or None where that is not known.
    libpython_error: why the shared libpython did not load; '' if it did.
    missing_modules: those of the standard library that are not there.
    venv_problem: what is wrong with an installed .venv; '' if nothing.
    installed: whether `make setup` has finished.
    free_disk: bytes free where .venv goes.
  """
  implementation: str
  version: Tuple[int, ...]
  executable: str
  system: str
  machine: str
  pointer_bits: int
  glibc: Optional[Tuple[int, ...]]
  avx: Optional[bool]
  libpython_error: str
  missing_modules: Sequence[str]
  venv_problem: str
  installed: bool
  free_disk: int


class Finding(NamedTuple):
  """One line of the report; `advice` says what to do when it is not ok."""
  ok: bool
  what: str
  seen: str
  advice: str


def check_host(facts: Facts) -> List[Finding]:
  """Whether the stack of requirements.lock can be installed and loaded."""
  findings = [_check_interpreter(facts), _check_platform(facts),
              _check_glibc(facts), _check_processor(facts)]
  if findings[0].ok:  # Of another Python neither would say anything.
    findings += [_check_libpython(facts), _check_modules(facts)]
  return findings + [_check_venv(facts), _check_disk(facts)]


def check_environment(locked: Mapping[str, str],
                      installed: Mapping[str, str]) -> Finding:
  """Whether each distribution is there, in the locked version.

  Args:
    locked: normalized name to version, as the lock file has it.
    installed: normalized name to version, as this interpreter sees it.

  Returns:
    One finding, which names the first few differences.
  """
  differences = []
  for name, version in sorted(locked.items()):
    seen = installed.get(name)
    if seen is None:
      differences.append(name + ' is missing')
    elif seen != version:
      differences.append(f'{name} is {seen} instead of {version}')
  if not locked:
    differences.append('the lock file names no distribution')
  seen = '; '.join(differences[:_SHOWN])
  if len(differences) > _SHOWN:
    seen += f'; and {len(differences) - _SHOWN} more'
  return Finding(
      not differences, 'environment',
      seen or f'{len(locked)} distributions as locked',
      'Run `make clean setup`, and do not install into .venv by hand.')


def parse_lock(text: str) -> Dict[str, str]:
  """The `name==version` lines of a lock file, by normalized name."""
  pins = re.findall(r'^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)', text,
                    re.MULTILINE)
  return {_normalize(name): version for name, version in pins}


def report(findings: Sequence[Finding]) -> str:
  """One OK or FAIL line for each finding, with advice below a FAIL."""
  lines = []
  for finding in findings:
    lines.append('{} {}: {}'.format('OK  ' if finding.ok else 'FAIL',
                                    finding.what, finding.seen))
    if not finding.ok:
      lines.append(textwrap.fill(
          finding.advice, width=80, initial_indent='  -> ',
          subsequent_indent='     ', break_long_words=False,
          break_on_hyphens=False))
  return '\n'.join(lines)


def main(argv: Optional[Sequence[str]] = None) -> int:
  """Prints the report and returns the exit code."""
  parser = argparse.ArgumentParser(
      prog='doctor', description='Checks that apex_tf can run here.')
  scope = parser.add_mutually_exclusive_group()
  scope.add_argument('--host', action='store_true',
                     help='check the machine and the interpreter only')
  scope.add_argument('--environment', action='store_true',
                     help='check the installed versions only')
  parser.add_argument('--lock', metavar='FILE',
                      default=os.path.join(_ROOT, 'requirements.lock'),
                      help='the lock file to compare the versions with')
  args = parser.parse_args(argv)

  findings = []  # type: List[Finding]
  if not args.environment:
    findings += check_host(gather_facts())
  if args.environment or (_in_venv() and not args.host):
    findings.append(_compare(args.lock))
  print(report(findings))
  failures = sum(not finding.ok for finding in findings)
  if failures:
    print(f'doctor: {failures} of {len(findings)} checks failed.')
  return 1 if failures else 0


def gather_facts() -> Facts:
  """Looks at this machine and this interpreter."""
  return Facts(
      implementation=sys.implementation.name,
      version=tuple(sys.version_info[:3]),
      executable=sys.executable,
      system=platform.system(),
      machine=platform.machine(),
      pointer_bits=8 * struct.calcsize('P'),
      glibc=_glibc_version(),
      avx=_has_avx(),
      libpython_error=_libpython_error(),
      missing_modules=[name for name in _MODULES
                       if not _module_works(name)],
      venv_problem=_venv_problem(),
      installed=_is_installed(),
      free_disk=shutil.disk_usage(_ROOT).free)


def _check_interpreter(facts: Facts) -> Finding:
  seen = (f'{facts.implementation} {_dotted(facts.version)} at '
          f'{facts.executable}')
  ok = facts.implementation == 'cpython' and facts.version[:2] == _PYTHON
  return Finding(
      ok, 'interpreter', seen,
      'Only CPython 3.10 has wheels of the whole stack (dm-launchpad stops '
      'there). ' + _GET_PYTHON)


def _check_platform(facts: Facts) -> Finding:
  seen = f'{facts.system} {facts.machine}, {facts.pointer_bits} bits'
  ok = (facts.system == 'Linux' and facts.machine in ('x86_64', 'AMD64') and
        facts.pointer_bits == 64)
  return Finding(
      ok, 'platform', seen,
      'Reverb and Launchpad have wheels for 64-bit Linux on x86-64 only: use '
      'such a machine, a container or a virtual one.')


def _check_glibc(facts: Facts) -> Finding:
  seen = _dotted(facts.glibc) if facts.glibc else 'another C library'
  return Finding(
      facts.glibc is not None and facts.glibc >= _GLIBC, 'glibc', seen,
      f'The wheels need glibc {_dotted(_GLIBC)} or newer (Debian 10, Ubuntu '
      '20.04, RHEL 8 and later; not Alpine): use such a system or a container.')


def _check_processor(facts: Facts) -> Finding:
  seen = 'AVX not known'
  if facts.avx is not None:
    seen = 'has AVX' if facts.avx else 'has no AVX'
  return Finding(
      facts.avx is not False, 'processor', seen,
      "TensorFlow's wheel uses AVX and would die with an illegal instruction. "
      'Use another machine; in a virtual one, pass the host processor through.')


def _check_libpython(facts: Facts) -> Finding:
  return Finding(
      not facts.libpython_error, 'libpython',
      facts.libpython_error or _LIBPYTHON + ' loads',
      "Reverb's and Courier's extensions link it. If the file is there but in "
      "no folder that the loader searches, add its folder to LD_LIBRARY_PATH. "
      'Otherwise: ' + _GET_PYTHON)


def _check_modules(facts: Facts) -> Finding:
  missing = ', '.join(facts.missing_modules)
  return Finding(
      not missing, 'standard library',
      'lacks ' + missing if missing else 'complete',
      'On Debian and Ubuntu, `apt install python3.10-venv`. A Python built '
      'from source lacks modules whose C libraries were not there: install '
      'their -dev packages (libssl, zlib1g, libbz2, liblzma, libffi, '
      'libsqlite3) and build it again.')


def _check_venv(facts: Facts) -> Finding:
  seen = facts.venv_problem or (
      'installed' if facts.installed else 'not installed yet')
  return Finding(not facts.venv_problem, '.venv', seen,
                 'Run `make clean`: it is made anew.')


def _check_disk(facts: Facts) -> Finding:
  needed, what = ((_DISK_TO_RUN, 'for a run') if facts.installed else
                  (_DISK_TO_INSTALL, 'to install'))
  return Finding(
      facts.free_disk >= needed, 'disk', f'{facts.free_disk / 1e9:.1f} GB free',
      f'At least {needed / 1e9:.1f} GB are needed {what}: free some, or clone '
      'to another disk.')


def _glibc_version() -> Optional[Tuple[int, ...]]:
  try:
    name, version = (os.confstr('CS_GNU_LIBC_VERSION') or '').split()
    return tuple(int(part) for part in version.split('.')[:2])
  except (AttributeError, OSError, ValueError):  # Not glibc, or not Unix.
    return None


def _has_avx() -> Optional[bool]:
  try:
    with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as f:
      flags = re.search(r'^flags\s*:(.*)$', f.read(), re.MULTILINE)
  except OSError:
    return None
  return 'avx' in flags.group(1).split() if flags else None


def _libpython_error() -> str:
  # By name, as the extensions ask for it: that finds the one this process has
  # loaded, and else looks where the loader would.
  try:
    import ctypes
    ctypes.CDLL(_LIBPYTHON)
  except (ImportError, OSError) as e:
    return str(e)
  return ''


def _module_works(name: str) -> bool:
  try:
    importlib.import_module(name)
  except ImportError:
    return False
  return True


def _venv_problem() -> str:
  if not _is_installed():  # Whatever is there, it is made anew.
    return ''
  python = os.path.join(_VENV, 'bin', 'python')
  if not os.path.exists(python):
    return python + ' is missing, or links to a Python that is gone'
  if not os.path.exists(os.path.join(_VENV, 'bin', 'python3.10')):
    return _VENV + ' was made with another Python than 3.10'
  return ''


def _is_installed() -> bool:
  return os.path.exists(os.path.join(_VENV, '.installed'))


def _in_venv() -> bool:
  return os.path.realpath(sys.prefix) == os.path.realpath(_VENV)


def _compare(lock: str) -> Finding:
  try:
    # Not at the top: Python before 3.8 lacks it, and must still run this file.
    import importlib.metadata
    with open(lock, encoding='utf-8') as f:
      locked = parse_lock(f.read())
  except ImportError:
    return Finding(False, 'environment', 'not seen by a Python before 3.8',
                   _GET_PYTHON)
  except OSError as e:
    return Finding(False, 'lock file', str(e), 'Get it back from git.')
  installed = {}  # type: Dict[str, str]
  for distribution in importlib.metadata.distributions():
    name = distribution.metadata['Name']
    if name:  # The first one found is the one that is imported.
      installed.setdefault(_normalize(name), distribution.version)
  return check_environment(locked, installed)


def _normalize(name: str) -> str:
  return re.sub(r'[-_.]+', '-', name).lower()


def _dotted(version: Sequence[int]) -> str:
  return '.'.join(str(part) for part in version)


if __name__ == '__main__':
  sys.exit(main())
