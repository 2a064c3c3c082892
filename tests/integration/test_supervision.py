"""Roles, supervisors and launchers of real programs, killed."""

import json
import os
import pathlib
import signal
import time

import numpy as np
import psutil

from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from tests.integration import programs

_ROLES = ('actor_0', 'evaluator', 'replay', 'learner')
# The issue says 10 seconds; the rest is for a machine with other things to do.
_END_SECONDS = 10.0 + 50.0

_ON_DEMAND = '''
"""A task that is solved from when a file is there."""

import os

import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class OnDemand(CartPoleEnv):

  def step(self, action):
    observation, reward, terminated, truncated, info = super().step(action)
    reward = 1000.0 * os.path.exists({path!r})
    return observation, reward, terminated, truncated, info


gymnasium.register('OnDemand-v0', entry_point=OnDemand, max_episode_steps=50)
'''

_HUGE_REWARDS = '''
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class HugeRewards(CartPoleEnv):

  def step(self, action):
    observation, _, terminated, truncated, info = super().step(action)
    return observation, 1e30, terminated, truncated, info


gymnasium.register('HugeRewards-v0', entry_point=HugeRewards,
                   max_episode_steps=50)
'''


class _Watched:
  """A program, by what its run directory tells."""

  def __init__(self, program: programs.Program):
    self.program = program
    self.directory = run_directory.RunDirectory(str(program.workdir))

  def status(self) -> status_lib.RunStatus:
    return self.directory.read_status() or status_lib.RunStatus()

  def record(self, role):
    return self.directory.read_roles()[role]

  def end_role(self, role: str, number: int = signal.SIGKILL) -> None:
    """Ends it by a signal, and waits until it is back at work."""
    old, before = self.record(role), self.status()
    os.kill(old.pid, number)
    start = time.monotonic()
    self.program.wait_until(
        lambda: self.record(role).pid != old.pid and
        self.record(role).state == 'running')
    started = time.monotonic() - start
    assert self.record(role).restarts == old.restarts + 1
    self.program.wait_until(lambda: self._works_again(role, before))
    worked = time.monotonic() - start
    if role == 'actor_0':
      assert self.status().actors['0'].exploration == (
          before.actors['0'].exploration)
    # Nobody else has noticed, and a learner that is told to stop saves itself.
    if role != 'learner' or number == signal.SIGTERM:
      assert self.status().wall_seconds >= before.wall_seconds
      assert self.status().learner_steps >= before.learner_steps
    self.wait_for_learning()
    print(f'{role}: process after {started:.1f} s, at work after '
          f'{worked:.1f} s, learner steps after '
          f'{time.monotonic() - start:.1f} s')

  def wait_for_learning(self) -> None:
    """Until the learner has taken steps, twice seen."""
    for _ in range(2):
      steps = self.status().learner_steps
      self.program.wait_until(lambda s=steps: self.status().learner_steps > s)

  def _works_again(self, role: str, before: status_lib.RunStatus) -> bool:
    status = self.status()
    if role == 'actor_0':
      return '0' in status.actors and (
          status.actors['0'].incarnation != before.actors['0'].incarnation)
    if role == 'evaluator':
      return len(status.evaluations) > len(before.evaluations)
    if role == 'replay':  # Its inserts are counted anew.
      return 0 < status.replay.inserts < before.replay.inserts
    # The file of the one that was killed grows old meanwhile.
    return self.directory.status_age_seconds() < 1.0 and (
        time.time() - self.record(role).time > 1.0)


def _supervisor_of(pid: int) -> int:
  return psutil.Process(pid).ppid()


def _wait_for_no_survivors(program, seconds=_END_SECONDS):
  deadline = time.monotonic() + seconds
  while program.survivors():
    assert time.monotonic() < deadline, program.survivors()
    time.sleep(0.1)


def test_every_role_may_be_killed(launch, tmp_path: pathlib.Path):
  finish = tmp_path / 'finish'
  (tmp_path / 'on_demand.py').write_text(_ON_DEMAND.format(path=str(finish)))
  program = launch(
      '--config.environment.id=on_demand:OnDemand-v0',
      '--config.run.target_return=500', python_path=str(tmp_path))
  watched = _Watched(program)
  program.wait_until(lambda: program.phase() == 'learning')
  program.wait_until(lambda: watched.status().evaluations)
  watched.wait_for_learning()
  pids = {role: watched.record(role).pid for role in _ROLES}
  supervisors = {role: _supervisor_of(pid) for role, pid in pids.items()}
  for role in _ROLES:
    watched.end_role(role)
  assert {role: _supervisor_of(watched.record(role).pid)
          for role in _ROLES} == supervisors
  finish.touch()
  code, out, err = program.wait()
  assert code == 0, err
  assert programs.without_waiting(err) == ''
  assert 'actor 0 restarted' in out
  assert not program.survivors()
  summary = programs.read_json(program.workdir / 'summary.json')
  assert summary['stop_reason'] == 'target_return'
  assert summary['restarts'] == dict.fromkeys(_ROLES, 1)
  for role, log in (('actor_0', 'actor/0'), ('replay', 'replay/0')):
    text = (program.workdir / 'logs' / log).read_text()
    assert f'supervisor] {role}: killed by SIGKILL after ' in text
    assert 'restart 1 in 0.5 s' in text


def test_killed_launcher_takes_all_with_it(launch):
  program = launch()
  program.wait_until(lambda: program.phase() == 'learning')
  os.kill(program.pid, signal.SIGKILL)
  start = time.monotonic()
  _wait_for_no_survivors(program)
  print(f'nobody left after {time.monotonic() - start:.1f} s')


def test_killed_supervisor_is_a_failure_with_a_name(launch):
  program = launch()
  program.wait_until(lambda: program.phase() == 'learning')
  os.kill(_supervisor_of(program.role_pid('evaluator')), signal.SIGKILL)
  code, _, err = program.wait()
  assert code == 1
  log_file = program.workdir / 'logs' / 'evaluator' / '0'
  assert err.splitlines()[-1] == (
      'evaluator failed: the process ended without a word (killed?) '
      f'(log: {log_file})')
  assert not program.survivors()


def test_numbers_that_are_not_finite_end_the_run(launch, tmp_path):
  # The square of such a TD error is no longer a float32.
  (tmp_path / 'huge_rewards.py').write_text(_HUGE_REWARDS)
  program = launch('--config.environment.id=huge_rewards:HugeRewards-v0',
                   python_path=str(tmp_path))
  code, _, err = program.wait()
  assert code == 1
  last = err.splitlines()[-1]
  assert last.startswith('learner failed: NonFiniteError: ')
  assert 'at learner step ' in last
  batches = list((program.workdir / 'failures').iterdir())
  assert len(batches) == 1 and str(batches[0]) in last
  with np.load(batches[0], allow_pickle=False) as batch:
    assert batch['observation_tm1'].shape == (8, 1, 4)
  assert programs.read_json(
      program.workdir / 'summary.json')['restarts'] == {}
  assert not program.survivors()


def test_given_up_after_too_many_restarts(launch):
  program = launch('--config.run.max_restarts=1')
  watched = _Watched(program)
  program.wait_until(lambda: program.phase() == 'learning')
  watched.end_role('actor_0')
  os.kill(watched.record('actor_0').pid, signal.SIGKILL)
  code, out, err = program.wait()
  assert code == 1
  log_file = program.workdir / 'logs' / 'actor' / '0'
  assert err.splitlines()[-1] == (
      f'actor_0 failed: killed by SIGKILL 2 times in an hour (log: {log_file})')
  assert 'given up' in log_file.read_text()
  assert not program.survivors()
  summary = json.loads((program.workdir / 'summary.json').read_text())
  assert summary['stop_reason'] == 'failed'
  assert summary['restarts'] == {'actor_0': 1}


def test_a_role_that_somebody_stops_comes_back(launch):
  """SIGTERM to a role alone, and not to its supervisor."""
  program = launch()
  watched = _Watched(program)
  program.wait_until(lambda: program.phase() == 'learning')
  program.wait_until(lambda: '0' in watched.status().actors)
  watched.wait_for_learning()
  for role in ('actor_0', 'replay', 'learner'):
    watched.end_role(role, signal.SIGTERM)
  program.terminate()
  assert program.wait().code == 0
