"""Programs that are killed while they save, and on a disk that is full."""

import contextlib
import os
import signal
import threading
import time

from courier.python.client import StatusNotOk
import portpicker
import psutil
import pytest

from apex_tf import learner_client
from apex_tf import membership as membership_lib
from apex_tf import saved_policy
from apex_tf import variables as variables_lib
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from tests import small_disk as small_disk_lib
from tests.integration import programs

_ROLES = ('actor_0', 'evaluator', 'replay', 'learner')


@pytest.fixture
def disk():
  disk = small_disk_lib.SmallDisk(32)
  yield disk
  disk.close()


@pytest.fixture
def launch_there(disk):
  started = []

  def start(*flags):
    started.append(programs.Program(disk.path / 'run', flags))
    return started[-1]

  yield start
  for program in started:
    program.kill()


@contextlib.contextmanager
def _full(disk):
  """Fills a disk, and takes what is freed on it meanwhile; then makes room."""
  disk.fill()
  over = threading.Event()

  def top_up():
    while not over.is_set():
      disk.fill(0.1)

  thread = threading.Thread(target=top_up)
  thread.start()
  try:
    yield
  finally:
    over.set()
    thread.join()
  disk.make_room()


def _asked(call):
  """What the learner answers, or None where it does not, in time."""
  try:
    return call()
  except StatusNotOk:
    return None


def _kill(program, role):
  """Kills a role of which there may be no new record; its supervisor."""
  pid = program.role_pid(role)
  supervisor = psutil.Process(pid).parent()
  os.kill(pid, signal.SIGKILL)
  return supervisor


def _kill_while_saving(program, checkpoints):
  """Kills the learner in the midst of a checkpoint; the newest whole one."""
  pid = program.role_pid('learner')

  def stopped_while_saving():
    names = os.listdir(checkpoints)
    if not any(name.startswith('.unfinished.') for name in names):
      return False
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.05)  # It may just have been done.
    names = os.listdir(checkpoints)
    if any(name.startswith('.unfinished.') for name in names):
      return True
    os.kill(pid, signal.SIGCONT)
    return False

  deadline = time.monotonic() + programs.PATIENCE_SECONDS
  while not stopped_while_saving():
    assert time.monotonic() < deadline
    time.sleep(0.001)
  newest = max(name for name in os.listdir(checkpoints) if name.isdigit())
  os.kill(pid, signal.SIGKILL)
  return int(newest)


def test_a_run_outlives_a_kill_while_saving_and_a_full_disk(disk, launch_there):
  port = portpicker.pick_unused_port()
  program = launch_there(
      f'--config.learner.port={port}',
      '--config.learner.checkpoint_minutes=0.03')
  directory = run_directory.RunDirectory(str(program.workdir))
  checkpoints = program.workdir / 'checkpoints' / 'learner'
  program.wait_until(lambda: program.phase() == 'learning')
  program.wait_until(lambda: checkpoints.exists() and any(
      path.name.isdigit() for path in checkpoints.iterdir()))
  program.wait_until(lambda: directory.read_status().evaluations)
  newest = _kill_while_saving(program, checkpoints)
  log = program.workdir / 'logs' / 'learner' / '0'
  program.wait_until(
      lambda: f'Restored the learner at step {newest} from' in log.read_text())
  program.wait_until(lambda: max(
      int(name) for name in os.listdir(checkpoints) if name.isdigit()) > newest)
  learner = learner_client.connect(f'localhost:{port}')

  def progress():
    steps, = learner.get_variables([variables_lib.LEARNER_STEP])
    return int(steps), learner.get_counts()['agent_steps']

  seen = []  # Counts of the checkpoint, then of those who are new.

  def gets_on():
    now = _asked(progress)
    if now and (not seen or all(
        count > before for count, before in zip(now, seen[-1]))):
      seen.append(now)
    return len(seen) == 4

  with _full(disk):
    # Everyone is started again on the full disk, and works there.
    supervisors = {role: _kill(program, role) for role in _ROLES}
    program.wait_until(gets_on)
    old_status = directory.read_status()
    time.sleep(3.0)  # A checkpoint is due meanwhile.
    assert directory.status_age_seconds() > 3.0
  freed_at = time.monotonic()
  program.wait_until(lambda: directory.status_age_seconds() < 1.0 and
                     directory.read_status().learner_steps >
                     old_status.learner_steps)
  saved = directory.read_status().learner_steps
  program.wait_until(lambda: any(
      path.name.isdigit() and int(path.name) > saved
      for path in checkpoints.iterdir()))
  restarts = {**dict.fromkeys(_ROLES, 1), 'learner': 2}
  program.wait_until(lambda: directory.read_restarts() == restarts)
  program.wait_until(lambda: len(directory.read_status().evaluations) >
                     len(old_status.evaluations))
  print(f'all is written {time.monotonic() - freed_at:.1f} s after there is '
        'room again')
  assert {role: psutil.Process(program.role_pid(role)).parent()
          for role in _ROLES} == supervisors
  program.terminate()
  code, _, err = program.wait()
  assert code == 0, err
  assert programs.read_json(program.workdir / 'summary.json')[
      'restarts'] == restarts
  assert not list(program.workdir.rglob('.*'))  # What is half-written.
  for role in _ROLES:
    points = programs.read_points(program.workdir, role)
    assert points['failed_writes'][-1][1] > 0
  assert programs.read_points(
      program.workdir, 'learner')['loss'][-1][0] > old_status.learner_steps


def test_a_run_that_ends_on_a_full_disk_waits_for_room(disk, launch_there):
  port = portpicker.pick_unused_port()
  program = launch_there(f'--config.learner.port={port}',
                         '--config.run.max_learner_steps=1500')
  program.wait_until(lambda: program.phase() == 'learning')
  disk.fill()
  onlooker = membership_lib.Membership(
      learner_client.connect(f'localhost:{port}'), 'onlooker')

  def is_over():
    return _asked(onlooker.get_phase) == status_lib.DONE

  program.wait_until(is_over)
  time.sleep(5.0)
  program.wait_until(is_over)
  assert program.phase() != status_lib.DONE
  disk.make_room()
  code, out, err = program.wait()
  assert code == 0, err
  assert 'Learning curve: ' in out
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'max_learner_steps'
  assert saved_policy.SavedPolicy(
      str(program.workdir / 'policy.npz')).learner_step == 1500
  assert (program.workdir / 'checkpoints/learner/000000001500').is_dir()
  assert (program.workdir / 'learning_curve.png').exists()
  assert not list(program.workdir.rglob('.*'))


def test_a_launch_on_a_full_disk_is_refused(disk, launch_there):
  disk.fill()
  program = launch_there()
  code, out, err = program.wait()
  assert code == 2 and out == ''
  assert len(err.splitlines()) == 1 and 'No space left on device' in err
  assert sorted(os.listdir(disk.path)) == ['filler']
