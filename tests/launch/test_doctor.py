"""Tests of the doctor: what it says of machines that are not this one."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

from launch import doctor

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SOURCE = _ROOT / 'launch' / 'doctor.py'

_GOOD = doctor.Facts(
    implementation='cpython', version=(3, 10, 13), executable='/bin/python3.10',
    system='Linux', machine='x86_64', pointer_bits=64, glibc=(2, 36), avx=True,
    libpython_error='', missing_modules=[], venv_problem='', installed=False,
    free_disk=10 * 10**9)


def _failures(**changes):
  findings = doctor.check_host(_GOOD._replace(**changes))
  return {finding.what: finding for finding in findings if not finding.ok}


def _run(*args, **kwargs):
  return subprocess.run(
      [sys.executable, *args], stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT, text=True, check=False, timeout=60, **kwargs)


def test_a_fit_machine_has_no_failure():
  assert not _failures()


@pytest.mark.parametrize('changes, what, seen, advice', [
    ({'version': (3, 8, 18)}, 'interpreter', '3.8.18', 'pyenv install 3.10'),
    ({'version': (3, 13, 0)}, 'interpreter', '3.13.0', 'apt install'),
    ({'version': (4, 10, 0)}, 'interpreter', '4.10.0', 'make PYTHON='),
    ({'implementation': 'pypy'}, 'interpreter', 'pypy 3.10.13', 'CPython'),
    ({'system': 'Darwin'}, 'platform', 'Darwin', 'Linux'),
    ({'machine': 'aarch64'}, 'platform', 'aarch64', 'x86-64'),
    ({'pointer_bits': 32}, 'platform', '32 bits', '64-bit'),
    ({'glibc': (2, 27)}, 'glibc', '2.27', '2.28'),
    ({'glibc': None}, 'glibc', 'another C library', 'Alpine'),
    ({'avx': False}, 'processor', 'no AVX', 'illegal instruction'),
    ({'libpython_error': 'cannot open shared object file'}, 'libpython',
     'cannot open', '--enable-shared'),
    ({'missing_modules': ['ensurepip', 'ssl']}, 'standard library',
     'ensurepip, ssl', 'python3.10-venv'),
    ({'venv_problem': 'bin/python is missing', 'installed': True}, '.venv',
     'bin/python', 'make clean'),
    ({'free_disk': 3 * 10**9}, 'disk', '3.0 GB free', '4.0 GB'),
    ({'free_disk': 10**8, 'installed': True}, 'disk', '0.1 GB', '0.5 GB'),
])
def test_one_flaw_is_one_failure_with_advice(changes, what, seen, advice):
  failures = _failures(**changes)
  assert list(failures) == [what]
  assert seen in failures[what].seen
  assert advice in failures[what].advice


@pytest.mark.parametrize('changes', [
    {'glibc': (2, 28)}, {'glibc': (3, 0)}, {'avx': None},
    {'version': (3, 10, 0)}, {'free_disk': 10**9, 'installed': True}])
def test_the_limits_themselves_are_fine(changes):
  assert not _failures(**changes)


def test_every_flaw_is_named_at_once():
  failures = _failures(system='Darwin', glibc=None, free_disk=0)
  assert list(failures) == ['platform', 'glibc', 'disk']


def test_another_python_is_not_asked_for_the_libraries_of_3_10():
  failures = _failures(version=(3, 12, 1), libpython_error='not found',
                       missing_modules=['ensurepip'])
  assert list(failures) == ['interpreter']


def test_parse_lock():
  assert doctor.parse_lock(
      '# a comment==1.0\n'
      'absl-py==2.5.1 \\\n'
      '    --hash=sha256:00 \\\n'
      '    # via something==3\n'
      'Farama_Notifications==0.0.6 ; python_version < "4"\n'
      'gymnasium[mujoco]==1.4.0\n') == {
          'absl-py': '2.5.1', 'farama-notifications': '0.0.6',
          'gymnasium': '1.4.0'}


def test_the_repository_has_a_lock_with_the_pins_of_the_stack():
  locked = doctor.parse_lock((_ROOT / 'requirements.lock').read_text())
  expected = {'tensorflow': '2.8.4', 'dm-reverb': '0.7.3',
              'dm-launchpad': '0.5.0', 'dm-acme': '0.4.0',
              'setuptools': '81.0.0', 'numpy': '1.23.5', 'protobuf': '3.19.6'}
  assert expected.items() <= locked.items()
  assert not {'gym', 'jax', 'jaxlib'} & set(locked)


def test_the_environment_is_compared_version_by_version():
  locked = {'absl-py': '2.5.1', 'numpy': '1.23.5'}
  assert doctor.check_environment(locked, {**locked, 'extra': '1.0'}).ok
  other = doctor.check_environment(locked, {'absl-py': '2.5.1',
                                            'numpy': '1.26.0'})
  assert not other.ok
  assert other.seen == 'numpy is 1.26.0 instead of 1.23.5'
  missing = doctor.check_environment(locked, {'numpy': '1.23.5'})
  assert not missing.ok
  assert missing.seen == 'absl-py is missing'


def test_many_differences_are_counted_and_an_empty_lock_is_one():
  locked = {f'package-{i:02}': '1' for i in range(20)}
  seen = doctor.check_environment(locked, {}).seen
  assert seen.count(' is missing') == 8
  assert seen.endswith('and 12 more')
  assert not doctor.check_environment({}, {}).ok


def test_the_report_gives_advice_below_failures_only():
  lines = doctor.report([
      doctor.Finding(True, 'glibc', '2.36', 'Not shown.'),
      doctor.Finding(False, 'disk', '0.1 GB free', 'Free some. ' * 20),
  ]).splitlines()
  assert lines[:2] == ['OK   glibc: 2.36', 'FAIL disk: 0.1 GB free']
  assert lines[2].startswith('  -> Free some.')
  assert len(lines) > 3
  assert max(map(len, lines)) <= 80
  assert 'Not shown.' not in '\n'.join(lines)


@pytest.mark.parametrize('command', [[str(_SOURCE)], ['-m', 'launch.doctor']])
def test_the_real_run_on_this_machine(command):
  result = _run(*command, '--host', cwd=_ROOT)
  assert result.returncode == 0, result.stdout
  assert 'OK   libpython: libpython3.10.so.1.0 loads' in result.stdout
  assert 'FAIL' not in result.stdout


def test_it_runs_from_any_folder_without_site_packages(tmp_path):
  # -I -S: neither installed packages nor the repository are in sight.
  result = _run('-I', '-S', str(_SOURCE), '--host', cwd=tmp_path)
  assert result.returncode == 0, result.stdout


def test_the_real_environment_against_what_pip_says_of_it(tmp_path):
  freeze = _run('-m', 'pip', '--disable-pip-version-check', 'list',
                '--format=freeze')
  lock = tmp_path / 'requirements.lock'
  lock.write_text(freeze.stdout)
  right = _run(str(_SOURCE), '--environment', f'--lock={lock}')
  assert right.returncode == 0, right.stdout
  assert right.stdout.startswith('OK   environment: ')

  lock.write_text(freeze.stdout.replace('numpy==1.23.5', 'numpy==1.99.0'))
  wrong = _run(str(_SOURCE), '--environment', f'--lock={lock}')
  assert wrong.returncode == 1
  assert 'numpy is 1.23.5 instead of 1.99.0' in wrong.stdout
  assert 'make clean setup' in wrong.stdout


def test_a_missing_lock_is_a_finding(tmp_path):
  result = _run(str(_SOURCE), '--environment', f'--lock={tmp_path}/none')
  assert result.returncode == 1
  assert result.stdout.startswith('FAIL lock file: ')


def test_a_loader_that_does_not_find_libpython_is_a_failure(monkeypatch):
  monkeypatch.setattr(doctor, '_LIBPYTHON', 'libpython3.10-nowhere.so.1.0')
  facts = doctor.gather_facts()
  assert 'libpython3.10-nowhere.so.1.0' in facts.libpython_error
  assert not all(finding.ok for finding in doctor.check_host(facts))


def test_a_finished_environment_whose_python_is_gone(monkeypatch, tmp_path):
  monkeypatch.setattr(doctor, '_VENV', str(tmp_path))
  (tmp_path / 'bin').mkdir()
  os.symlink(tmp_path / 'gone', tmp_path / 'bin' / 'python')
  assert doctor.gather_facts().venv_problem == ''  # Not finished: made anew.
  (tmp_path / '.installed').touch()
  assert 'links to a Python that is gone' in doctor.gather_facts().venv_problem


def test_it_parses_under_the_oldest_python_that_it_warns_about():
  ast.parse(_SOURCE.read_text(), feature_version=(3, 6))


def test_it_imports_the_standard_library_only():
  imported = set()
  for node in ast.walk(ast.parse(_SOURCE.read_text())):
    if isinstance(node, ast.Import):
      imported |= {name.name.split('.')[0] for name in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0
      imported.add(node.module.split('.')[0])
  assert imported <= set(sys.stdlib_module_names)
