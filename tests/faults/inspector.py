"""What must hold of a run after a fault, and when it has recovered."""

import os
import pathlib
import time
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Set, Tuple

import psutil

from apex_tf.monitoring import role_records
from apex_tf.monitoring import status as status_lib
from tests.faults import checkpoints
from tests.faults import watched_run

_POLL_SECONDS = 0.2
# Starting all over takes some 20 s on two free cores, and others may use them.
_RECOVERY_SECONDS = 480.0
# Everything of a killed launch is to be gone after this.
END_SECONDS = 10.0
# A file that is being replaced, or a checkpoint being written, may be seen for
# this long. What a killed process leaves goes with the next save.
_CALM_SECONDS = 30.0
_KEPT_LEARNER_CHECKPOINTS = 3
_KEPT_REPLAY_CHECKPOINTS = 1
# More than at first that a launcher or supervisor may have open.
_OPEN_FILES_SLACK = 8


# Whole checkpoints of replay, the newest first.
ReplaySeen = Sequence[Tuple[checkpoints.Checkpoint, checkpoints.ReplayCounts]]


class Unsurvived(Exception):  # noqa: N818
  """A fault has cost more than it may; says what."""


class Before(NamedTuple):
  """A run at the moment of a fault.

  Attributes:
    status: as it was last written.
    learner: its whole checkpoints, the newest first.
    replay: those of replay likewise, with what is in each.
    counts: of the newest of `learner`.
    processes: of the roles.
    logs: how far they were written.
  """
  status: status_lib.RunStatus
  learner: Sequence[checkpoints.Checkpoint]
  replay: ReplaySeen
  counts: checkpoints.Counts
  processes: Dict[str, watched_run.RoleProcess]
  logs: Dict[str, watched_run.LogPosition]


class Aftermath(NamedTuple):
  """What a fault has done, and from what the run is to recover.

  Attributes:
    before: the run at its moment.
    died: roles whose processes it has ended.
    since: when recovery began to be possible, in monotonic seconds.
    counts: below which the run may not fall.
    happened: in words.
    replay: as in `before`, but just after it.
  """
  before: Before
  died: Set[str]
  since: float
  counts: checkpoints.Counts
  happened: str
  replay: ReplaySeen


def counts_of(status: status_lib.RunStatus) -> checkpoints.Counts:
  return checkpoints.Counts(
      status.learner_steps, status.agent_steps, status.episodes)


class Inspector:
  """Looks at a run from outside."""

  def __init__(self, run: watched_run.WatchedRun):
    self._run = run
    self._open_files: Dict[Tuple[int, float], int] = {}

  def before(self) -> Before:
    """The run as it is; to be called just before a fault."""
    run = self._run
    learner = run.learner_checkpoints.whole()
    return Before(
        status=run.status(), learner=learner,
        replay=self.replay(),
        counts=checkpoints.read_counts(learner[0]),
        processes=run.role_processes(),
        logs={role: run.log_position(role) for role in watched_run.ROLES})

  def replay(self) -> ReplaySeen:
    """Whole checkpoints of replay and what is in them, the newest first.

    None, where one is just taking the place of the only other.
    """
    found = []
    for checkpoint in self._run.replay_checkpoints.whole():
      try:
        found.append((checkpoint, checkpoints.read_replay_counts(checkpoint)))
      except FileNotFoundError:  # Newer ones have taken its place.
        continue
    return found

  def wait_until(self, what: str, condition: Callable[[], Any],
                 seconds: float = _RECOVERY_SECONDS) -> None:
    """Waits for a condition.

    Raises:
      Unsurvived: in vain, or the program has ended meanwhile.
    """
    deadline = time.monotonic() + seconds
    while not condition():
      code = self._run.launcher.poll()
      if code is not None:
        raise Unsurvived(f'the program has ended with exit code {code}: '
                         f'{self._last_words()}')
      if time.monotonic() > deadline:
        raise Unsurvived(f'waited {seconds:.0f} s for {what}')
      time.sleep(_POLL_SECONDS)

  def wait_for_learning(self, counts: checkpoints.Counts,
                        replaced: Dict[str, int]) -> None:
    """Waits until every role works and the learner learns.

    Args:
      counts: below which the run may not fall meanwhile.
      replaced: processes that are to be others than these, by role.

    Raises:
      Unsurvived: they do not, or counts have gone back.
    """
    recovery = _Recovery(self._run, counts, replaced)
    try:
      self.wait_until('recovery', recovery.is_over)
    except Unsurvived as error:
      raise Unsurvived(f'{error}; missing: {recovery.missing}') from error

  def check(self, aftermath: Aftermath) -> None:
    """Checks, of a run that has recovered, what must always hold.

    Raises:
      Unsurvived: it does not.
    """
    run = self._run
    self._wait_for_none('processes that no launcher looks after', self._orphans)
    self._wait_for_none('files that were to be temporary', self.leftovers)
    self._wait_for_none('checkpoints that are too many', self.excess)
    self._wait_for_none('open files', self._open_files_beyond_first)
    failures = pathlib.Path(run.directory.failures_directory)
    if failures.exists():
      raise Unsurvived(f'{failures} exists')
    newest = max(checkpoint.number for checkpoint in aftermath.before.learner)
    self.wait_until(
        'a new checkpoint of the learner',
        lambda: (run.learner_checkpoints.newest() or (0,))[0] > newest)
    newest = max((checkpoint.number for checkpoint, _ in aftermath.replay),
                 default=-1)
    self.wait_until(
        'a new checkpoint of replay',
        lambda: (run.replay_checkpoints.newest() or (-1,))[0] > newest)

  def others_restarted(self, aftermath: Aftermath) -> List[str]:
    """Roles that were started again and had not died of the fault."""
    now = self._run.role_processes()
    return [role for role in watched_run.ROLES if role not in aftermath.died and
            now[role].pid != aftermath.before.processes[role].pid]

  def wait_for_no_processes(self) -> float:
    """Waits until nothing is left of a launch; seconds that it took."""
    start = time.monotonic()
    while True:
      left = self._run.processes()
      if not left:
        return time.monotonic() - start
      if time.monotonic() - start > END_SECONDS:
        raise Unsurvived(f'left after {END_SECONDS:.0f} s: {left}')
      time.sleep(_POLL_SECONDS)

  def leftovers(self) -> Set[str]:
    """Files in the run directory whose names say that they are temporary."""
    return {
        os.path.join(folder, name)
        for folder, folders, files in os.walk(self._run.workdir)
        for name in (*folders, *files)
        if name.startswith('.') or name.endswith(('.new', '_unfinished'))}

  def _wait_for_none(self, what: str, find: Callable[[], Set[str]]) -> None:
    """Waits until none is left of those there are now."""
    found = find()
    deadline = time.monotonic() + _CALM_SECONDS
    while found:
      if time.monotonic() > deadline:
        raise Unsurvived(f'{what}: {", ".join(sorted(found))}')
      time.sleep(_POLL_SECONDS)
      found &= find()

  def _orphans(self) -> Set[str]:
    launcher = self._run.launcher
    ours = {launcher.pid, *(
        child.pid for child in launcher.children(recursive=True))}
    return {str(process) for process in self._run.processes()
            if process.pid not in ours}

  def excess(self) -> Set[str]:
    """Checkpoints beyond those that are kept, whole or not."""
    run = self._run
    return {
        str(kind.path / name)
        for kind, kept in (
            (run.learner_checkpoints, _KEPT_LEARNER_CHECKPOINTS),
            (run.replay_checkpoints, _KEPT_REPLAY_CHECKPOINTS))
        for name in kind.entries()[:-kept]}

  def _open_files_beyond_first(self) -> Set[str]:
    """Launchers and supervisors that have more open than they once had."""
    run = self._run
    found = set()
    for pid in (run.launcher.pid, *(
        process.supervisor for process in run.role_processes().values())):
      try:
        process = psutil.Process(pid)
        count = process.num_fds()
        first = self._open_files.setdefault(
            (pid, process.create_time()), count)
      except psutil.NoSuchProcess:
        continue
      if count > first + _OPEN_FILES_SLACK:
        found.add(f'process {pid}, now more than {first}')
    return found

  def _last_words(self) -> str:
    lines = self._run.terminal_file.read_text(errors='replace').splitlines()
    return ' | '.join(lines[-5:])


class _Recovery:
  """Follows a run until it is as it should be."""

  def __init__(self, run: watched_run.WatchedRun, counts: checkpoints.Counts,
               replaced: Dict[str, int]):
    self._run = run
    self._counts = counts
    self._replaced = replaced
    self._replaced_at = 0.0
    self._first: Any = None
    self.missing = ''

  def is_over(self) -> bool:
    """Whether it is now; otherwise `missing` says what it waits for.

    Raises:
      Unsurvived: counts have gone back.
    """
    written = self._run.status_time()  # Before it is read, lest it be newer.
    status = self._run.status()
    # The last status of a learner that has died may be older than its last
    # checkpoint.
    if self._first or 'learner' not in self._replaced:
      self._check_counts(status)
    self.missing = self._find_missing(status, written)
    return not self.missing

  def _check_counts(self, status: status_lib.RunStatus) -> None:
    counts = counts_of(status)
    if any(now < least for now, least in zip(counts, self._counts)):
      raise Unsurvived(f'counts went back to {counts}, below {self._counts}')

  def _find_missing(self, status: status_lib.RunStatus, written: float) -> str:
    """What was not seen yet, or "".

    First every process is there and on record; then the learner writes a
    status; from that one on, everybody gets on.
    """
    records = self._run.directory.read_roles()
    for role, process in self._run.role_processes().items():
      if process.pid in (0, self._replaced.get(role)):
        return f'a process of {role}'
      record = records.get(role)
      if record is None or record.state != role_records.RUNNING or (
          record.pid != process.pid):
        return f'the record of {role}, process {process.pid}'
    self._replaced_at = self._replaced_at or time.time()
    if not self._first:
      if written <= self._replaced_at or not status.actors:
        return 'a status of the learner'
      self._first = status
    first = self._first
    if status.learner_steps <= first.learner_steps:
      return f'learner steps after {first.learner_steps}'
    for index in map(str, range(watched_run.NUM_ACTORS)):
      report = status.actors.get(index)
      if report is None or report == first.actors.get(index):
        return f'a report of actor {index}'
    if status.evaluations[-1:] == first.evaluations[-1:]:
      return 'an evaluation'
    if status.replay.inserts == first.replay.inserts:
      return 'inserts'
    return f'the end of stalls {status.stalls}' if status.stalls else ''
