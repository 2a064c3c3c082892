"""The supervisor, with small scripts in place of roles, in real processes."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from apex_tf import restart_budget
from apex_tf import supervisor
from apex_tf.monitoring import role_records

_LIMITS = restart_budget.Limits(max_restarts=3)


def _killed(lived_seconds=1.0):
  return restart_budget.Death('killed by SIGKILL', False, lived_seconds)


def _failed(reason='ValueError: no', lived_seconds=1.0):
  return restart_budget.Death(reason, True, lived_seconds)


def test_backoff_doubles_up_to_its_bound():
  budget = restart_budget.RestartBudget(restart_budget.Limits(max_restarts=7))
  assert [budget.backoff_after(_killed(), float(now)) for now in range(7)] == [
      0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_backoff_begins_anew_after_a_minute_of_health():
  budget = restart_budget.RestartBudget(restart_budget.Limits())
  deaths = [_killed(), _killed(59.9), _killed(60.0), _killed()]
  assert [budget.backoff_after(death, 0.0) for death in deaths] == [
      0.5, 1.0, 0.5, 1.0]


def test_given_up_after_too_many_restarts_in_an_hour():
  budget = restart_budget.RestartBudget(_LIMITS)
  for now in (0.0, 10.0, 20.0):
    assert budget.backoff_after(_killed(), now) is not None
  assert budget.backoff_after(_killed(), 3599.9) is None
  assert budget.verdict() == 'killed by SIGKILL 4 times in an hour'


def test_restarts_of_an_hour_ago_do_not_count():
  budget = restart_budget.RestartBudget(_LIMITS)
  for now in (0.0, 10.0, 20.0, 3600.0, 3610.0, 3620.0):
    assert budget.backoff_after(_killed(), now) is not None
  assert budget.backoff_after(_killed(), 3630.0) is None


def test_a_verdict_names_the_last_of_different_reasons():
  budget = restart_budget.RestartBudget(restart_budget.Limits(max_restarts=1))
  assert budget.backoff_after(_killed(), 0.0) is not None
  assert budget.backoff_after(_failed(), 1.0) is None
  assert budget.verdict() == 'ValueError: no (the last of 2 deaths in an hour)'


def test_without_restarts_the_reason_is_the_verdict():
  budget = restart_budget.RestartBudget(restart_budget.Limits(max_restarts=0))
  assert budget.backoff_after(_failed(), 0.0) is None
  assert budget.verdict() == 'ValueError: no'


def test_given_up_after_three_failures_at_the_start():
  budget = restart_budget.RestartBudget(restart_budget.Limits())
  assert budget.backoff_after(_failed(), 0.0) is not None
  assert budget.backoff_after(_failed(), 1.0) is not None
  assert budget.backoff_after(_failed('KeyError: 3'), 2.0) is None
  assert budget.verdict() == 'KeyError: 3 (3 failures in a row at its start)'


def test_a_failure_that_would_come_again_is_given_up_at_once():
  budget = restart_budget.RestartBudget(restart_budget.Limits())
  assert budget.backoff_after(_killed(), 0.0) is not None
  death = restart_budget.Death('NonFiniteError: loss is nan', True, 90.0, True)
  assert budget.backoff_after(death, 90.0) is None
  assert budget.verdict() == 'NonFiniteError: loss is nan'


@pytest.mark.parametrize('between', [_killed(), _failed(lived_seconds=61.0)])
def test_failures_that_are_not_in_a_row_are_not_given_up(between):
  budget = restart_budget.RestartBudget(restart_budget.Limits())
  for _ in range(3):
    for death in (_failed(), _failed(), between):
      assert budget.backoff_after(death, 0.0) is not None


# What is done. A role is a script that is given its own number of the start.

_START = f'''
import os, signal, sys, time
start = int(os.environ['{role_records.RESTARTS_VARIABLE}'])
print('start', start, os.getpid(), flush=True)
'''
_ROOT = str(pathlib.Path(supervisor.__file__).parents[1])
_SUPERVISE = f'''
import json, os, sys
sys.path.insert(0, {_ROOT!r})
from apex_tf import restart_budget
from apex_tf import supervisor
limits, command, roles, parent = json.loads(sys.argv[1])
sys.exit(supervisor.Supervisor(
    command, 'actor_3', roles, restart_budget.Limits(**limits),
    parent or os.getppid()).run())
'''


class _Supervised:
  """A supervisor in a process of its own, and what its role prints."""

  def __init__(self, path: pathlib.Path, script: str, parent: int = 0,
               through: tuple = (), **limits):
    (path / 'roles').mkdir()
    (path / 'role.py').write_text(_START + textwrap.dedent(script))
    (path / 'supervise.py').write_text(_SUPERVISE)
    self.log = path / 'log'
    self.record_file = path / 'roles' / 'actor_3.json'
    limits = {'first_backoff_seconds': 0.01, **limits}
    command = [sys.executable, '-S', str(path / 'role.py')]
    with self.log.open('w') as log:
      self.process = subprocess.Popen(
          [*through, sys.executable, '-S', str(path / 'supervise.py'),
           json.dumps([limits, command, str(path / 'roles'), parent])],
          stdout=log, stderr=log, start_new_session=True)

  def lines(self):
    """Those that are whole: one may just be written."""
    whole, _, _ = self.log.read_text().rpartition('\n')
    return whole.splitlines()

  def starts(self):
    """Process ids of the role's starts."""
    return [int(line.split()[2]) for line in self.lines()
            if line.startswith('start')]

  def says(self):
    return [line for line in self.lines() if 'supervisor]' in line]

  def record(self):
    return role_records.read(str(self.record_file))


@pytest.fixture
def supervised(tmp_path):
  started = []

  def start(script, **kwargs):
    started.append(_Supervised(tmp_path, script, **kwargs))
    return started[-1]

  yield start
  for one in started:
    try:
      os.killpg(one.process.pid, signal.SIGKILL)
    except ProcessLookupError:
      pass
    one.process.wait()


def _gone(pid):
  try:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
  except psutil.NoSuchProcess:
    return True


def test_a_role_that_ends_is_not_started_again(supervised):
  one = supervised('')
  assert one.process.wait(30) == 0
  assert len(one.starts()) == 1
  assert one.says() == []


def test_a_killed_role_is_started_again(supervised, wait_until):
  one = supervised('if start < 2: time.sleep(100)')
  for number in (1, 2):
    wait_until(lambda n=number: len(one.starts()) == n)
    os.kill(one.starts()[-1], signal.SIGKILL)
  assert one.process.wait(30) == 0
  assert len(set(one.starts())) == 3
  assert 'actor_3: killed by SIGKILL after ' in one.says()[0]
  assert one.says()[0].endswith('restart 1 in 0.01 s')
  assert one.says()[1].endswith('restart 2 in 0.02 s')


def test_a_role_that_is_to_be_started_again_says_so_meanwhile(
    supervised, wait_until):
  one = supervised('time.sleep(100)', first_backoff_seconds=60.0)
  wait_until(one.starts)
  os.kill(one.starts()[0], signal.SIGKILL)
  wait_until(one.record)
  record = one.record()
  assert (record.role, record.state, record.reason, record.restarts) == (
      'actor_3', 'restarting', 'killed by SIGKILL', 1)
  assert record.alive() and not record.vanished()
  start = time.monotonic()
  one.process.terminate()
  assert one.process.wait(30) == 0
  assert time.monotonic() - start < 20.0
  assert one.record().state == 'stopped'
  assert len(one.starts()) == 1


def test_a_role_that_keeps_being_killed_is_given_up(supervised):
  one = supervised('os.kill(os.getpid(), signal.SIGKILL)', max_restarts=2,
                   longest_backoff_seconds=0.01)
  assert one.process.wait(30) == 1
  assert len(one.starts()) == 3
  record = one.record()
  assert (record.state, record.restarts) == ('failed', 2)
  assert record.reason == 'killed by SIGKILL 3 times in an hour'
  assert one.says()[-1].endswith(f'actor_3: given up: {record.reason}')


def test_a_role_that_cannot_start_is_given_up_with_its_own_reason(supervised):
  one = supervised('''
      import json
      path = os.path.join(os.path.dirname(__file__), 'roles', 'actor_3.json')
      with open(path, 'w') as file:
        json.dump(dict(role='actor_3', state='failed',
                       reason='ValueError: no\\n such game', pid=os.getpid(),
                       process_start=0, host='', time=0.0), file)
      sys.exit(1)
      ''')
  assert one.process.wait(30) == 1
  assert len(one.starts()) == 3
  assert one.record().reason == (
      'ValueError: no such game (3 failures in a row at its start)')


@pytest.mark.parametrize('script, reason', [
    ('sys.exit(7)', 'exit code 7'),
    ('os.kill(os.getpid(), signal.SIGSEGV)', 'killed by SIGSEGV'),
])
def test_a_role_that_leaves_no_record(supervised, script, reason):
  one = supervised(script)
  assert one.process.wait(30) == 1
  assert one.record().reason == f'{reason} (3 failures in a row at its start)'


@pytest.mark.parametrize('script', [
    f'sys.exit({supervisor.TOLD_TO_STOP})',
    'os.kill(os.getpid(), signal.SIGTERM)'])
def test_a_role_that_somebody_else_stopped_is_started_again(
    supervised, script):
  one = supervised(f'if start < 5: {script}', longest_backoff_seconds=0.01)
  assert one.process.wait(30) == 0
  assert len(one.starts()) == 6


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('code', [0, 1, supervisor.TOLD_TO_STOP])
def test_a_signal_is_passed_on_as_sigterm(supervised, wait_until, number,
                                          code):
  one = supervised(f'''
      def stop(*unused):
        os.write(1, b'told\\n')  # It may interrupt the print below.
        sys.exit({code})
      signal.signal(signal.SIGTERM, stop)
      print('ready', flush=True)
      while True: time.sleep(0.1)
      ''')
  wait_until(lambda: 'ready' in one.lines())
  one.process.send_signal(number)
  assert one.process.wait(30) == 0
  assert 'told' in one.lines()
  assert len(one.starts()) == 1


def test_a_role_stopped_before_it_listens_has_stopped(supervised, wait_until):
  one = supervised('time.sleep(100)')
  wait_until(one.starts)
  role_records.write(str(one.record_file), role_records.RoleRecord(
      'actor_3', 'running', '', one.starts()[0], 0, '', 0.0))
  one.process.terminate()
  assert one.process.wait(30) == 0
  assert one.record().state == 'stopped'


def test_the_role_has_signals_as_usual(supervised):
  one = supervised('''
      print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
      print(signal.getsignal(signal.SIGTERM))
      ''')
  assert one.process.wait(30) == 0
  assert one.lines()[1:] == ['set()', str(signal.SIG_DFL)]


def test_a_killed_supervisor_takes_its_role_with_it(supervised, wait_until):
  one = supervised('''
      signal.signal(signal.SIGTERM, signal.SIG_IGN)
      time.sleep(100)
      ''')
  wait_until(one.starts)
  one.process.kill()
  wait_until(lambda: _gone(one.starts()[0]))


# The launcher's place is taken by a process that starts a supervisor.
_LAUNCHER = 'import subprocess, sys; subprocess.call(sys.argv[1:])'


@pytest.mark.parametrize('stubborn', [False, True])
def test_a_killed_launcher_takes_all_with_it(supervised, wait_until, stubborn):
  one = supervised(f'''
      def stop(*unused):
        os.write(1, b'told\\n')  # It may interrupt the print below.
        if not {stubborn}: sys.exit(0)
      signal.signal(signal.SIGTERM, stop)
      print('ready', flush=True)
      while True: time.sleep(0.1)
      ''', through=(sys.executable, '-S', '-c', _LAUNCHER), orphan_seconds=1.0)
  wait_until(lambda: 'ready' in one.lines())
  child, = psutil.Process(one.process.pid).children()
  one.process.kill()
  wait_until(lambda: _gone(child.pid))
  assert _gone(one.starts()[0])
  assert 'told' in one.lines()  # It was given the time to save its work.
  assert len(one.starts()) == 1


def test_a_supervisor_whose_launcher_is_gone_starts_nothing(supervised):
  one = supervised('', parent=2**22 + 1)
  assert one.process.wait(30) == 1
  assert one.starts() == []


def test_the_interpreter(tmp_path):
  """As Launchpad uses it, from a folder whose name is no trap."""
  folder = tmp_path / "it's a run"
  folder.mkdir()
  path = folder / 'actor.sh'
  script = folder / 'entry point.py'
  script.write_text('import sys; sys.exit(len(sys.argv) - 4)')
  supervisor.write_interpreter(str(path), 'actor_{}', str(folder), 0)
  command = [str(path), str(script), '--name=a b', '--lp_task_id', '2']
  assert subprocess.run(command).returncode == 0
  result = subprocess.run([*command, 'x'], capture_output=True, text=True)
  assert result.returncode == 1
  record = role_records.read(str(folder / 'actor_2.json'))
  assert (record.role, record.state, record.reason) == (
      'actor_2', 'failed', 'exit code 1')
  assert 'actor_2: given up: exit code 1' in result.stderr


def test_a_supervisor_is_small(tmp_path):
  """There is one for each role."""
  code = ('from apex_tf import supervisor; '
          "print(open('/proc/self/statm').read().split()[1]); "
          "print(sum(name in sys.modules for name in "
          "('tensorflow', 'reverb', 'launchpad', 'numpy', 'absl')))")
  pages, heavy = subprocess.run(
      [sys.executable, '-I', '-S', '-c',
       f'import sys; sys.path.insert(0, {_ROOT!r}); {code}'],
      capture_output=True, text=True, check=True).stdout.split()
  assert int(pages) * os.sysconf('SC_PAGE_SIZE') < 20e6
  assert heavy == '0'


def test_a_supervisor_that_was_stopped_goes_on(supervised, wait_until):
  """As by Ctrl-Z and `fg`; CPython's sigtimedwait makes up a signal then."""
  one = supervised('time.sleep(100)')
  wait_until(one.starts)
  time.sleep(0.3)  # It waits for signals by now.
  one.process.send_signal(signal.SIGSTOP)
  time.sleep(1.5)
  one.process.send_signal(signal.SIGCONT)
  time.sleep(0.5)
  assert not _gone(one.starts()[0])
  os.kill(one.starts()[0], signal.SIGKILL)
  wait_until(lambda: len(one.starts()) == 2)
  one.process.terminate()
  assert one.process.wait(30) == 0


def test_waiting_for_a_signal():
  before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
  try:
    start = time.monotonic()
    assert supervisor.wait_for_signal({signal.SIGUSR1}, 0.25) is None
    assert time.monotonic() - start >= 0.25
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    assert supervisor.wait_for_signal(
        {signal.SIGTERM, signal.SIGUSR1}, 20.0) == signal.SIGUSR1
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
