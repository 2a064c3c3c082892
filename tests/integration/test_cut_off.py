"""Roles whose servers are away for long, and a port that another has taken."""

import os
import signal
import socket
import time

import portpicker
import psutil

from apex_tf import ports
from apex_tf.monitoring import run_directory

# The issue's, from when the port answers; and on a machine with other things to
# do, where a learner that starts needs longer for its first step.
_BACK_SECONDS = 30.0
_BUSY_BACK_SECONDS = 120.0
# Then gRPC alone would take 20 s and more to find it again.
_AWAY_SECONDS = 50.0


def _kill_and_hold(program, role):
  """Kills a role whose supervisor is not to notice yet; the supervisor."""
  pid = program.role_pid(role)
  supervisor = psutil.Process(pid).parent()
  supervisor.suspend()
  os.kill(pid, signal.SIGKILL)
  return supervisor


def _take(port):
  """Listens on a port as soon as it is free."""
  deadline = time.monotonic() + 60.0
  while True:
    listener = socket.socket()
    try:
      listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      listener.bind(('', port))
      listener.listen()
      return listener
    except OSError:
      listener.close()
      assert time.monotonic() < deadline
      time.sleep(0.05)


def test_everyone_goes_on_soon_after_a_port_answers(launch):
  learner_port = portpicker.pick_unused_port()
  replay_port = portpicker.pick_unused_port()
  program = launch(f'--config.learner.port={learner_port}',
                   f'--config.replay.port={replay_port}')
  directory = run_directory.RunDirectory(str(program.workdir))
  program.wait_until(lambda: program.phase() == 'learning')
  program.wait_until(lambda: directory.read_status().evaluations and
                     '0' in directory.read_status().actors)
  learner = _kill_and_hold(program, 'learner')
  replay = _kill_and_hold(program, 'replay')
  away_at = time.monotonic()
  foreign = _take(replay_port)
  program.wait_until(lambda: not ports.answers('localhost', learner_port))
  before = directory.read_status()  # The last of the learner that is dead.
  replay.resume()
  # Replay waits for its port, fails, and is started to wait again.
  program.wait_until(lambda: f'port {replay_port} is taken' in (
      directory.read_roles()['replay'].reason))
  foreign.close()
  program.wait_until(lambda: time.monotonic() - away_at > _AWAY_SECONDS)
  assert directory.read_status().learner_steps == before.learner_steps
  old = os.path.getmtime(directory.status_file)
  learner.resume()
  back_at = {}

  def note(name, is_back):
    if name not in back_at and is_back():
      back_at[name] = time.monotonic()

  def everyone_is_back():
    # Before it is read, lest it be newer: of the learner that was started.
    is_new = os.path.getmtime(directory.status_file) != old
    status = directory.read_status()
    note('learner port', lambda: ports.answers('localhost', learner_port))
    note('replay port', lambda: ports.answers('localhost', replay_port))
    note('actor', lambda: is_new and '0' in status.actors)
    note('evaluator', lambda: is_new and any(
        evaluation not in before.evaluations
        for evaluation in status.evaluations))
    note('inserts', lambda: is_new and status.replay.inserts > 0)
    note('learning', lambda: is_new and status.phase == 'learning')
    return len(back_at) == 6

  program.wait_until(everyone_is_back)
  learner_at, replay_at = back_at['learner port'], back_at['replay port']
  print({name: round(moment - max(learner_at, replay_at), 1)
         for name, moment in back_at.items()})
  for name in ('actor', 'evaluator', 'inserts', 'learning'):
    assert back_at[name] - max(learner_at, replay_at) < _BUSY_BACK_SECONDS
  # Not because gRPC has tried again by itself, unless it did so just then.
  reconnected = f'Port {learner_port} answers again: reconnecting.'
  for role, since in (('actor', learner_at),
                      # It has nothing to measure before there is learning.
                      ('evaluator', max(learner_at, back_at['learning']))):
    log = (program.workdir / 'logs' / role / '0').read_text()
    print(f'{role} reconnected:', reconnected in log)
    assert reconnected in log or back_at[role] - since < _BACK_SECONDS
  # They are the same, and have not been started again for it.
  assert directory.read_status().actors['0'].incarnation == (
      before.actors['0'].incarnation)
  restarts = directory.read_restarts()
  assert set(restarts) == {'learner', 'replay'}
  assert restarts['learner'] == 1 and restarts['replay'] >= 2
  program.terminate()
  assert program.wait().code == 0


def test_a_port_that_stays_taken(launch):
  port = portpicker.pick_unused_port()
  program = launch(f'--config.replay.port={port}',
                   '--config.run.max_restarts=1')
  program.wait_until(lambda: program.phase() == 'learning')
  supervisor = _kill_and_hold(program, 'replay')
  with _take(port):
    supervisor.resume()
    code, _, err = program.wait()
  assert code == 1
  last = err.splitlines()[-1]
  assert last.startswith('replay failed: OSError: ')
  assert f'port {port} is taken (Address already in use)' in last
  assert not program.survivors()
