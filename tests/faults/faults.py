"""What may happen to a run, one class for each kind of fault."""

import abc
import os
import re
import signal
import time
from typing import Callable, Dict, NamedTuple, Optional

import numpy as np
import psutil

from tests import small_disk
from tests.faults import checkpoints
from tests.faults import inspector as inspector_lib
from tests.faults import watched_run

# A learner that is to stop writes a checkpoint; the launcher gives it 60 s.
_STOP_SECONDS = 70.0
# A process that is killed is gone after this.
_DEATH_SECONDS = 10.0


class Scene(NamedTuple):
  """What faults happen to: a run, its disk, and who looks at it."""
  run: watched_run.WatchedRun
  disk: small_disk.SmallDisk
  inspector: inspector_lib.Inspector


class Fault(abc.ABC):
  """One fault, which happens once.

  Attributes:
    kind: of the fault, for the table.
    target: what it happens to, for the table.
  """
  kind: str
  target: str

  @abc.abstractmethod
  def apply(self, scene: Scene) -> inspector_lib.Aftermath:
    """Has it happen.

    Raises:
      Unsurvived: it has cost too much already.
    """

  def check(self, scene: Scene, aftermath: inspector_lib.Aftermath) -> str:
    """Checks, of a run that has recovered, that nothing more was lost.

    Returns:
      What the roles have gone on from, or "".

    Raises:
      Unsurvived: more was lost, or the wrong checkpoint was taken.
    """
    return '; '.join(filter(None, (
        check(scene, aftermath) for role, check in _CHECKS.items()
        if role in aftermath.died)))


class RoleSignal(Fault):
  """A signal that ends a role: SIGKILL, or SIGTERM to the role alone."""

  def __init__(self, number: signal.Signals, role: str):
    self.kind = number.name
    self.target = role
    self._number = number

  def apply(self, scene: Scene) -> inspector_lib.Aftermath:
    before = scene.inspector.before()
    start = time.monotonic()
    pid = before.processes[self.target].pid
    os.kill(pid, self._number)
    wait_for_death(pid, _STOP_SECONDS)
    counts = before.counts
    if self.target == 'learner' and self._number == signal.SIGTERM:
      # It had the time to save.
      counts = counts._replace(learner_steps=before.status.learner_steps)
    elif self.target != 'learner':
      counts = inspector_lib.counts_of(before.status)
    return inspector_lib.Aftermath(
        before, {self.target}, start, counts,
        f'gone after {time.monotonic() - start:.1f} s',
        scene.inspector.replay())


class Freeze(Fault):
  """SIGSTOP, and SIGCONT later: nobody dies."""
  kind = 'SIGSTOP'

  def __init__(self, role: str, seconds: float):
    self.target = role
    self._seconds = seconds

  def apply(self, scene: Scene) -> inspector_lib.Aftermath:
    before = scene.inspector.before()
    pid = before.processes[self.target].pid
    os.kill(pid, signal.SIGSTOP)
    try:
      time.sleep(self._seconds)
    finally:
      os.kill(pid, signal.SIGCONT)
    return inspector_lib.Aftermath(
        before, set(), time.monotonic(),
        inspector_lib.counts_of(before.status),
        f'stopped for {self._seconds:g} s', before.replay)


class FullDisk(Fault):
  """No byte is free for a while, in which checkpoints fall due and a role is
  killed."""
  kind = 'full disk'

  def __init__(self, role: str, seconds: float):
    self.target = f'{role} killed'
    self._role = role
    self._seconds = seconds

  def apply(self, scene: Scene) -> inspector_lib.Aftermath:
    scene.disk.fill(self._seconds / 4)
    before = scene.inspector.before()
    os.kill(before.processes[self._role].pid, signal.SIGKILL)
    filled = scene.disk.fill(self._seconds * 3 / 4)
    replay = scene.inspector.replay()
    scene.disk.make_room()
    counts = (before.counts if self._role == 'learner' else
              inspector_lib.counts_of(before.status))
    return inspector_lib.Aftermath(
        before, {self._role}, time.monotonic(), counts,
        f'full for {self._seconds:g} s by {filled / 1e6:.1f} MB', replay)

  def check(self, scene: Scene, aftermath: inspector_lib.Aftermath) -> str:
    # Without a log, which could not be written.
    check = _CHECKS_OF_COUNTS.get(self._role)
    return check(scene, aftermath) if check else ''


class CorruptCheckpoint(Fault):
  """Bytes of the newest checkpoint are flipped; who needs it is killed."""
  kind = 'corrupt checkpoint'

  def __init__(self, role: str, generator: np.random.Generator):
    """Plans it.

    Args:
      role: "learner" or "replay", whose checkpoint it is.
      generator: chooses the bytes.
    """
    self.target = role
    self._generator = generator
    self._damaged: Optional[checkpoints.Checkpoint] = None

  def apply(self, scene: Scene) -> inspector_lib.Aftermath:
    directory = (scene.run.learner_checkpoints if self.target == 'learner' else
                 scene.run.replay_checkpoints)
    # Of replay, there need not be more than one.
    count = 2 if self.target == 'learner' else 1
    scene.inspector.wait_until(f'{count} checkpoints',
                               lambda: len(directory.whole()) >= count)
    pid = scene.run.role_processes()[self.target].pid
    os.kill(pid, signal.SIGSTOP)  # Else it might save once more.
    scene.inspector.wait_until(
        'SIGSTOP',
        lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    self._damaged = directory.whole()[0]
    happened = checkpoints.flip_bytes(self._damaged, self._generator)
    before = scene.inspector.before()
    start = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    wait_for_death(pid)
    counts = (before.counts if self.target == 'learner' else
              inspector_lib.counts_of(before.status))
    return inspector_lib.Aftermath(
        before, {self.target}, start, counts,
        f'{happened} in {self._damaged.number} flipped',
        before.replay)

  def check(self, scene: Scene, aftermath: inspector_lib.Aftermath) -> str:
    log = scene.run.log_since(self.target, aftermath.before.logs[self.target])
    assert self._damaged is not None
    if f'{self._damaged.path} is damaged and passed over' not in log:
      raise inspector_lib.Unsurvived(
          f'the log of {self.target} does not say that {self._damaged.path} is '
          'damaged')
    return super().check(scene, aftermath)


class KillAll(Fault):
  """kill -9 of every process at once; then the same command again."""
  kind = 'kill -9 of all'
  target = 'program'

  def apply(self, scene: Scene) -> inspector_lib.Aftermath:
    before = scene.inspector.before()
    start = time.monotonic()
    for process in scene.run.processes():
      try:
        process.kill()
      except psutil.NoSuchProcess:
        continue
    scene.run.launcher.wait()
    took = scene.inspector.wait_for_no_processes()
    replay = scene.inspector.replay()
    scene.run.start()
    return inspector_lib.Aftermath(
        before, set(watched_run.ROLES), start, before.counts,
        f'all gone after {took:.1f} s', replay)


class StopAll(Fault):
  """SIGTERM to the launcher, a clean end; then the same command again."""
  kind = 'clean stop'
  target = 'program'

  def apply(self, scene: Scene) -> inspector_lib.Aftermath:
    before = scene.inspector.before()
    start = time.monotonic()
    ended = stop(scene)
    # The learner has saved its last step.
    counts = before.counts._replace(
        learner_steps=scene.run.status().learner_steps)
    replay = scene.inspector.replay()
    scene.run.start()
    return inspector_lib.Aftermath(
        before, set(watched_run.ROLES), start, counts,
        f'exit code 0 after {ended:.1f} s', replay)


def stop(scene: Scene) -> float:
  """Ends the program as `kill` does; the seconds that it took.

  Raises:
    Unsurvived: it does not end as it should, or leaves something.
  """
  start = time.monotonic()
  scene.run.launcher.terminate()
  try:
    code = scene.run.launcher.wait(timeout=_STOP_SECONDS)
  except psutil.TimeoutExpired:
    raise inspector_lib.Unsurvived(
        f'no end {_STOP_SECONDS:.0f} s after SIGTERM') from None
  seconds = time.monotonic() - start
  if code:
    raise inspector_lib.Unsurvived(f'exit code {code} after SIGTERM')
  scene.inspector.wait_for_no_processes()
  if leftovers := scene.inspector.leftovers():
    raise inspector_lib.Unsurvived(f'left after a clean end: {leftovers}')
  return seconds


def wait_for_death(pid: int, seconds: float = _DEATH_SECONDS) -> None:
  """Waits until a process, not one of our own, is gone."""
  deadline = time.monotonic() + seconds
  while _is_there(pid):
    if time.monotonic() > deadline:
      raise inspector_lib.Unsurvived(
          f'process {pid} is still there after {seconds:.0f} s')
    time.sleep(0.01)


def _is_there(pid: int) -> bool:
  try:
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
  except psutil.NoSuchProcess:
    return False


def _check_learner(scene: Scene, aftermath: inspector_lib.Aftermath) -> str:
  """That it has gone on from its newest checkpoint."""
  restored = _find_line(
      r'Restored the learner at step (\d+) from (\S+): ', scene, aftermath,
      'learner')
  newest = aftermath.before.learner[0].number
  if int(restored[1]) < newest:
    raise inspector_lib.Unsurvived(
        f'the learner went on from {restored[2]}, not from step {newest}')
  return f'learner from step {restored[1]}'


def _check_replay(scene: Scene, aftermath: inspector_lib.Aftermath) -> str:
  """That it holds what its newest checkpoint held, exactly."""
  # One may have been written between our look and its death.
  right = {str(checkpoint.path): counts for checkpoint, counts in (
      *aftermath.before.replay[:1], *aftermath.replay[:1])}
  if not right:
    _find_line(r'Replay is empty\.$', scene, aftermath, 'replay')
    return 'replay empty'
  restored = _find_line(
      r'Restored (\d+) transitions of replay, of (\d+) ever inserted, from '
      r'(\S+)\.$', scene, aftermath, 'replay')
  counts = checkpoints.ReplayCounts(int(restored[1]), int(restored[2]))
  if right.get(restored[3]) != counts:
    raise inspector_lib.Unsurvived(
        f'replay holds {counts} of {restored[3]}, but its newest checkpoints '
        f'held {right}')
  return f'replay has its {counts.items} of {counts.inserts}'


def _check_learner_steps(scene: Scene,
                         aftermath: inspector_lib.Aftermath) -> str:
  """That it is not before its newest checkpoint.

  While the run recovered, this was so of each status of the new process.
  """
  newest = aftermath.before.learner[0].number
  steps = scene.run.status().learner_steps
  if steps < newest:
    raise inspector_lib.Unsurvived(
        f'the learner is at step {steps}, after its checkpoint of {newest}')
  return f'learner not below step {newest}'


def _check_inserts(scene: Scene, aftermath: inspector_lib.Aftermath) -> str:
  """That replay has counted on from its newest checkpoint."""
  if not aftermath.before.replay:
    return ''  # It was just being replaced.
  saved = aftermath.before.replay[0][1]
  replay = scene.run.status().replay
  if replay.inserts < saved.inserts or (
      replay.size < min(saved.items, replay.capacity)):
    raise inspector_lib.Unsurvived(
        f'replay has {replay.size} transitions of {replay.inserts}, after its '
        f'checkpoint of {saved}')
  return f'replay not below {saved.items} of {saved.inserts}'


def _find_line(pattern: str, scene: Scene, aftermath: inspector_lib.Aftermath,
               role: str) -> 're.Match[str]':
  log = scene.run.log_since(role, aftermath.before.logs[role])
  found = re.search(pattern, log, re.MULTILINE)
  if found is None:
    raise inspector_lib.Unsurvived(
        f'the log of {role} has nothing like {pattern!r}')
  return found


_CHECKS: Dict[str, Callable[[Scene, inspector_lib.Aftermath], str]] = {
    'learner': _check_learner,
    'replay': _check_replay,
}
_CHECKS_OF_COUNTS: Dict[
    str, Callable[[Scene, inspector_lib.Aftermath], str]] = {
        'learner': _check_learner_steps,
        'replay': _check_inserts,
    }
