"""Draws faults, has them happen to one run, and writes down what came of it."""

import collections
import pathlib
import re
import shutil
import signal
import statistics
import time
from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence, TypeVar

import numpy as np

from tests import small_disk
from tests.faults import checkpoints
from tests.faults import faults as faults_lib
from tests.faults import inspector as inspector_lib
from tests.faults import watched_run

_T = TypeVar('_T')

# As `tempfile` makes it: 8 characters, before a suffix.
_RANDOM_END = re.compile(r'[a-z0-9_]{8}(\.[a-z]+)?$')

DISK_MEGABYTES = 256
# Between a recovery and the next fault, so that it comes at any moment.
_LONGEST_PAUSE_SECONDS = 3.0


class Row(NamedTuple):
  """One fault that was survived.

  Attributes:
    number: from 1 on.
    kind: of the fault.
    target: what it happened to.
    happened: in words.
    seconds: from the fault, or from its end where it lasts, until every role
      worked and the learner learned.
  """
  number: int
  kind: str
  target: str
  happened: str
  seconds: float


class Planned(NamedTuple):
  """A fault, and the pause before it in seconds."""
  fault: faults_lib.Fault
  pause_seconds: float


class Campaign:
  """One run, and the faults that it is to survive."""

  def __init__(self, folder: pathlib.Path, say: Callable[[str], None]):
    """Mounts a disk; starts nothing yet.

    Args:
      folder: empty, for the run and everything that belongs to it.
      say: is told each line of progress.

    Raises:
      NoMountsError: this machine allows no disk to be mounted.
    """
    self._folder = folder
    self._say = say
    self._disk = small_disk.SmallDisk(DISK_MEGABYTES)
    self._run = watched_run.WatchedRun(folder, self._disk.path / 'run')
    self._inspector = inspector_lib.Inspector(self._run)
    self._temporary: Dict[str, int] = {}
    self.rows: List[Row] = []

  def run(self, plan: Sequence[Planned]) -> None:
    """Starts the run, has everything happen to it, and stops it.

    Raises:
      Unsurvived: names the first fault that was not; the run directory is kept
        in the folder, as `evidence`.
    """
    name = 'the start'
    try:
      self._begin()
      for number, planned in enumerate(plan, start=1):
        name = f'{number}. {planned.fault.kind} ({planned.fault.target})'
        time.sleep(planned.pause_seconds)
        self._survive(number, planned.fault)
      name = 'the end'
      faults_lib.stop(self._scene)
      self._check_temporary({})
    except inspector_lib.Unsurvived as error:
      self.close_run()
      evidence = self._folder / 'evidence'
      shutil.copytree(self._run.workdir, evidence)
      raise inspector_lib.Unsurvived(
          f'{name}: {error} (the run: {evidence})') from error

  def close_run(self) -> None:
    """Kills what is left of the run."""
    self._run.kill()

  def close(self) -> None:
    """Kills what is left of the run, and unmounts its disk."""
    self.close_run()
    self._disk.close()

  @property
  def launches(self) -> int:
    return self._run.launches

  @property
  def _scene(self) -> faults_lib.Scene:
    return faults_lib.Scene(self._run, self._disk, self._inspector)

  def _begin(self) -> None:
    self._run.start()
    run = self._run
    for kind in (run.learner_checkpoints, run.replay_checkpoints):
      self._inspector.wait_until(f'{kind.path}', kind.newest)
    self._inspector.wait_for_learning(checkpoints.Counts(), {})
    self._temporary = self._count_temporary()
    self._say(f'learning: {inspector_lib.counts_of(run.status())}')

  def _survive(self, number: int, fault: faults_lib.Fault) -> None:
    aftermath = fault.apply(self._scene)
    self._inspector.wait_for_learning(aftermath.counts, {
        role: aftermath.before.processes[role].pid for role in aftermath.died})
    seconds = time.monotonic() - aftermath.since
    happened = [aftermath.happened, fault.check(self._scene, aftermath)]
    if others := self._inspector.others_restarted(aftermath):
      happened.append(f'also restarted: {", ".join(others)}')
    self._inspector.check(aftermath)
    self._check_temporary(self._temporary)
    row = Row(number, fault.kind, fault.target,
              '; '.join(filter(None, happened)), seconds)
    self.rows.append(row)
    steps = self._run.status().learner_steps
    self._say(f'{number}. {row.kind} ({row.target}): {row.happened}; recovered '
              f'after {row.seconds:.1f} s; learner step {steps:,}, '
              f'{self._disk.used_megabytes:.0f} MB of disk')

  def _count_temporary(self) -> Dict[str, int]:
    """Temporary files, by their names without what makes them unique."""
    places = (self._run.temporary_directory,
              pathlib.Path(self._run.directory.temporary_directory))
    return collections.Counter(
        _RANDOM_END.sub(r'*\1', path.name)
        for place in places for path in place.rglob('*'))

  def _check_temporary(self, expected: Dict[str, int]) -> None:
    now = self._count_temporary()
    if now != expected:
      raise inspector_lib.Unsurvived(
          f'temporary files are {now or "none"}, but must be '
          f'{expected or "none"}')


# Of faults, as they are drawn from.
KINDS = ('SIGKILL', 'SIGTERM', 'SIGSTOP', 'full disk', 'corrupt checkpoint',
         'kill -9 of all', 'clean stop')


def draw(seed: int, count: int, stop_seconds: float, disk_seconds: float,
         kinds: Sequence[str] = KINDS) -> List[Planned]:
  """Faults in a random order: each kind once before any comes again.

  Args:
    seed: of everything that is drawn.
    count: of the faults.
    stop_seconds: for which a role is stopped.
    disk_seconds: for which the disk is full.
    kinds: of `KINDS`, to draw from.
  """
  generator = np.random.default_rng(seed)
  targets = {kind: _deck(watched_run.ROLES, generator) for kind in KINDS}
  saved = _deck(('learner', 'replay'), generator)
  makers: Dict[str, Callable[[], faults_lib.Fault]] = {
      'SIGKILL': lambda: faults_lib.RoleSignal(
          signal.SIGKILL, next(targets['SIGKILL'])),
      'SIGTERM': lambda: faults_lib.RoleSignal(
          signal.SIGTERM, next(targets['SIGTERM'])),
      'SIGSTOP': lambda: faults_lib.Freeze(
          next(targets['SIGSTOP']), stop_seconds),
      'full disk': lambda: faults_lib.FullDisk(
          next(targets['full disk']), disk_seconds),
      'corrupt checkpoint': lambda: faults_lib.CorruptCheckpoint(
          next(saved), np.random.default_rng(generator.integers(2**32))),
      'kill -9 of all': faults_lib.KillAll,
      'clean stop': faults_lib.StopAll,
  }
  deck = _deck(kinds, generator)
  return [Planned(makers[next(deck)](),
                  generator.uniform(0, _LONGEST_PAUSE_SECONDS))
          for _ in range(count)]


def _deck(cards: Sequence[_T], generator: np.random.Generator) -> Iterator[_T]:
  """All cards in a random order, and again without an end."""
  while True:
    for index in generator.permutation(len(cards)):
      yield cards[index]


def table(rows: Sequence[Row]) -> str:
  """Every fault, and a summary by kind, in Markdown."""
  lines = ['| | fault | of | what happened | recovered after |',
           '|--:|---|---|---|--:|']
  lines += [f'| {row.number} | {row.kind} | {row.target} | {row.happened} | '
            f'{row.seconds:.1f} s |' for row in rows]
  lines += ['', '| fault | times | median | worst |', '|---|--:|--:|--:|']
  by_kind: Dict[str, List[float]] = collections.defaultdict(list)
  for row in rows:
    by_kind[row.kind].append(row.seconds)
  lines += [f'| {kind} | {len(seconds)} | {statistics.median(seconds):.1f} s | '
            f'{max(seconds):.1f} s |' for kind, seconds in by_kind.items()]
  return '\n'.join(lines) + '\n'
