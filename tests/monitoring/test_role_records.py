"""Role records, of this process and of real ones that are killed."""

import dataclasses
import json
import os
import signal

import pytest

from apex_tf.monitoring import role_records
from apex_tf.monitoring import run_directory as run_directory_lib


def test_role_records(tmp_path):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  assert directory.read_roles() == {}
  assert directory.find_failure() is None
  directory.record_start('learner')
  directory.record_start('actor_0')
  record = json.loads((tmp_path / 'roles' / 'learner.json').read_text())
  assert record['role'] == 'learner'
  assert record['state'] == 'running'
  assert record['pid'] == os.getpid()
  assert directory.find_failure() is None
  directory.record_stop('learner')
  assert directory.read_roles()['learner'].state == 'stopped'
  assert directory.find_failure() is None


def test_the_earliest_failure_comes_first(tmp_path):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  directory.record_start('actor_0')
  directory.record_failure('learner', 'ValueError: no\n  such game')
  directory.record_failure('actor_0', 'lost the learner')
  failure = directory.find_failure()
  assert failure.role == 'learner'
  assert failure.reason == 'ValueError: no\n  such game'
  assert failure.log_file == str(tmp_path / 'logs' / 'learner' / '0')
  assert str(failure) == ('learner failed: ValueError: no such game '
                          f'(log: {failure.log_file})')
  assert [f.role for f in directory.find_failures()] == ['learner', 'actor_0']
  # Started again, it has not failed.
  directory.record_start('learner')
  assert directory.find_failure().role == 'actor_0'


@pytest.mark.parametrize('reaped', [False, True])
def test_a_killed_process_is_found(tmp_path, start_role, reaped):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  directory.record_start('learner')
  process = start_role(str(tmp_path), 'actor_1')
  assert directory.find_failure() is None
  process.send_signal(signal.SIGKILL)
  # Until it is reaped it is a zombie, which has ended all the same.
  os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
  if reaped:
    process.wait()
  failure = directory.find_failure()
  assert failure.role == 'actor_1'
  assert failure.reason == 'the process ended without a word (killed?)'
  assert failure.log_file.endswith('logs/actor/1')


def test_another_process_of_the_same_pid_is_not_the_role(tmp_path):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  directory.record_start('replay')
  path = tmp_path / 'roles' / 'replay.json'
  record = json.loads(path.read_text())
  record['process_start'] -= 1
  path.write_text(json.dumps(record))
  assert directory.find_failure().role == 'replay'


def test_a_pid_of_another_host_says_nothing(tmp_path):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  directory.record_start('replay')
  path = tmp_path / 'roles' / 'replay.json'
  record = json.loads(path.read_text())
  record.update(host='elsewhere', pid=2**22 + 1)
  path.write_text(json.dumps(record))
  assert directory.find_failure() is None


def test_a_role_that_is_started_again_has_not_failed(
    tmp_path, start_role, monkeypatch):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  process = start_role(str(tmp_path), 'actor_1')
  assert directory.read_restarts() == {}
  path = tmp_path / 'roles' / 'actor_1.json'
  record = role_records.read(str(path))
  role_records.write(str(path), dataclasses.replace(
      record, state='restarting', reason='killed by SIGKILL', restarts=1))
  assert directory.find_failure() is None
  assert directory.read_roles()['actor_1'].alive()
  # What writes "restarting" is the supervisor; without it nobody will.
  process.kill()
  process.wait()
  assert directory.find_failure().reason == 'killed by SIGKILL'
  # The one that it started says how often that has happened.
  monkeypatch.setenv(role_records.RESTARTS_VARIABLE, '2')
  directory.record_start('actor_1')
  directory.record_start('actor_2')
  assert directory.read_restarts() == {'actor_1': 2, 'actor_2': 2}
  assert directory.find_failure() is None


@pytest.mark.parametrize('text', ['', '{', '{"role": "learner"}', '[]', None])
def test_a_record_that_cannot_be_read(tmp_path, text):
  path = tmp_path / 'learner.json'
  if text is not None:
    path.write_text(text)
  assert role_records.read(str(path)) is None


def test_a_record_as_it_was_before_there_were_restarts():
  record = role_records.RoleRecord.from_json(
      '{"role": "learner", "state": "stopped", "reason": "", "pid": 1, '
      '"process_start": 2, "host": "here", "time": 3.0}')
  assert record.restarts == 0
