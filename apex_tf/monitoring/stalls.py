"""Who does not get on: the rule by which a run that stalls says so by name.

All of it is seen from the learner's process: the roles that report to it, its
own steps, and the table as its server describes it.
"""

import math
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from apex_tf import formatting as fmt
from apex_tf import leases
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import status as status_lib

# Without progress for so long, a role has stalled.
STALL_SECONDS = 30.0
# What roles are given to report for the first time.
START_SECONDS = 60.0
# What passes between two looks counts as this at most: who did not look may
# not say that it heard nothing.
_LONGEST_LOOK_SECONDS = 5.0

# More silent actors than so many are one line.
_MOST_NAMED = 3


def waiting_message(replay: status_lib.ReplayStatus) -> str:
  """Who waits at replay, for how long and for what; "" if no one does."""
  waited = fmt.duration(replay.waiting_seconds)
  if replay.waiting_side == 'learner':
    who, whom = f'learner has waited {waited}', 'actors'
  elif replay.waiting_side == 'actors':
    who, whom = f'actors have waited {waited} to insert', 'learner'
  else:
    return ''
  if replay.size < replay.min_size:
    return (f'{who}: replay {fmt.count(replay.size)} of '
            f'{fmt.count(replay.min_size)} items')
  ratio = (f' ({replay.samples_per_insert:.2f} samples per insert)'
           if replay.samples_per_insert else '')
  return f'{who}: replay waits for the {whom}{ratio}'


class Stalls(NamedTuple):
  """What stalls now, and what has changed since the last look.

  Attributes:
    now: one line for each stall.
    begun: those of `now` that the last look did not have.
    ended: those of the last look that are over, as it had them.
  """
  now: List[str]
  begun: List[str]
  ended: List[str]


def _index(role: str) -> str:
  """Of an actor, as in `RunStatus.actors`."""
  return role.rpartition('_')[2]


class _Progress:
  """For how long something has been the same."""

  def __init__(self) -> None:
    self._seen: Dict[str, Tuple[object, float]] = {}

  def seconds(self, name: str, value: object, now: float) -> float:
    """Since the value of that name was first seen to be this one."""
    if name not in self._seen or self._seen[name][0] != value:
      self._seen[name] = (value, now)
    return now - self._seen[name][1]


class StallWatch:
  """Finds stalls while a run fills its replay and learns.

  `heard` may be called by any thread, `update` by one.
  """

  def __init__(self, num_actors: int, num_shards: int = 1,
               clock: Callable[[], float] = time.monotonic):
    """Begins now; no role has been heard.

    Args:
      num_actors: of the run; they are `actor_0` and so on.
      num_shards: of its replay.
      clock: seconds, never going back.
    """
    self._clock = clock
    self._num_shards = num_shards
    self._looked_at = clock()
    self._seconds = 0.0  # Since the beginning, as far as it has looked.
    self._actors = [f'actor_{index}' for index in range(num_actors)]
    self._lock = threading.Lock()
    self._callers: Set[str] = set()  # Since the last look.
    self._heard: Dict[str, float] = {}
    # Replay waits for the first actor as long as that takes to start.
    self._acting_since: Optional[float] = None
    self._progress = _Progress()
    self._last: Dict[str, str] = {}

  def heard(self, role: str) -> None:
    """Takes note that a role, "actor_3" or "evaluator", has called."""
    with self._lock:
      self._callers.add(role)

  @property
  def reporting_actors(self) -> List[str]:
    """Indices of those that have reported in the last seconds, as `update`
    last looked."""
    since = self._seconds - leases.LEASE_SECONDS
    return [_index(role) for role in self._actors
            if self._heard.get(role, -math.inf) > since]

  def update(self, status: status_lib.RunStatus,
             replay_answers: bool) -> Stalls:
    """Looks at the run; to be called about once a second.

    Args:
      status: of now; `stalls` is not read.
      replay_answers: whether `status.replay` is of now, too. Otherwise the
        server did not answer.
    """
    self._look()
    found = self._find(status, replay_answers)
    stalls = Stalls(
        now=list(found.values()),
        begun=[line for key, line in found.items() if key not in self._last],
        ended=[line for key, line in self._last.items() if key not in found])
    self._last = found
    return stalls

  def _look(self) -> None:
    """Takes the time, and who has called by then."""
    now = self._clock()
    self._seconds += min(now - self._looked_at, _LONGEST_LOOK_SECONDS)
    self._looked_at = now
    with self._lock:
      callers, self._callers = self._callers, set()
    self._heard.update(dict.fromkeys(callers, self._seconds))
    if self._acting_since is None and not callers.isdisjoint(self._actors):
      self._acting_since = self._seconds

  def _find(self, status: status_lib.RunStatus,
            replay_answers: bool) -> Dict[str, str]:
    """One line for each stall, by whom and what it is about."""
    if status.phase not in status_lib.LEARNING_PHASES:
      return {}
    found: Dict[str, str] = {}
    self._find_at_replay(status, replay_answers, found)
    side = status.replay.waiting_side if replay_answers else ''
    # What replay does not hold back should get on.
    seconds = self._progress.seconds(
        'learner', (status.learner_steps, side == 'learner', replay_answers),
        self._seconds)
    if replay_answers and side != 'learner' and seconds >= STALL_SECONDS:
      found['learner steps'] = (
          f'learner has made no step for {fmt.duration(seconds)}')
    silent = {role: self._silence(role)
              for role in (*self._actors, metric_table.EVALUATOR)}
    found.update((role, line) for role, line in silent.items() if line)
    for role in self._actors:
      report = status.actors.get(_index(role))
      steps = report and (report.incarnation, report.agent_steps)
      seconds = self._progress.seconds(
          role, (steps, side == 'actors', replay_answers), self._seconds)
      if (report and replay_answers and side != 'actors' and
          role not in found and seconds >= STALL_SECONDS):
        found[f'{role} steps'] = (
            f'{role} has made no step for {fmt.duration(seconds)}')
    self._sum_up([role for role in self._actors if silent[role]], found)
    return found

  def _sum_up(self, silent: List[str], found: Dict[str, str]) -> None:
    """One line for many actors that do not report."""
    if len(silent) <= _MOST_NAMED:
      return
    for role in silent:
      del found[role]
    numbers = fmt.ranges([int(_index(role)) for role in silent])
    found['silent actors'] = (
        f'{len(silent)} of {len(self._actors)} actors do not report: {numbers}')

  def _find_at_replay(self, status: status_lib.RunStatus, replay_answers: bool,
                      found: Dict[str, str]) -> None:
    """Whom replay holds back, or that it does not answer."""
    seconds = self._progress.seconds('replay', replay_answers, self._seconds)
    if not replay_answers:
      # It is asked from the start on, when it may not be there yet.
      if seconds >= STALL_SECONDS and self._seconds >= START_SECONDS:
        found['replay'] = (
            f'replay has not answered for {fmt.duration(seconds)}')
      return
    replay = status.replay
    for shard in range(self._num_shards):
      silent = shard in replay.silent_shards
      seconds = self._progress.seconds(f'replay_{shard}', silent, self._seconds)
      if silent and seconds >= STALL_SECONDS:
        found[f'replay_{shard}'] = (
            f'replay_{shard} has not answered for {fmt.duration(seconds)}')
    if replay.waiting_side and replay.waiting_seconds >= STALL_SECONDS and (
        self._acting_since is not None and
        self._seconds - self._acting_since >= STALL_SECONDS):
      found[replay.waiting_side] = waiting_message(replay)

  def _silence(self, role: str) -> str:
    """That a role has not been heard for too long, or ""."""
    if role not in self._heard:
      return (f'{role} has not reported since the start, '
              f'{fmt.duration(self._seconds)} ago'
              if self._seconds >= START_SECONDS else '')
    seconds = self._seconds - self._heard[role]
    return (f'{role} has not reported for {fmt.duration(seconds)}'
            if seconds >= STALL_SECONDS else '')
