"""Whether and when a role that died is started again.

Standard library only, as `supervisor`, which asks it.
"""

import collections
import dataclasses
from typing import Deque, NamedTuple, Optional


@dataclasses.dataclass(frozen=True)
class Limits:
  """How often and how fast a role is started again.

  Attributes:
    max_restarts: in `window_seconds`; one more is given up.
    window_seconds: over which restarts are counted.
    first_backoff_seconds: before a restart; each one doubles it.
    longest_backoff_seconds: its bound.
    healthy_seconds: a role that lived this long was well: the backoff begins
      anew.
    max_early_failures: in a row, each by an error of its own before it was
      well; then it is given up, since another attempt would end alike.
    orphan_seconds: what the role is given to stop when the launcher is gone.
  """
  max_restarts: int = 10
  window_seconds: float = 3600.0
  first_backoff_seconds: float = 0.5
  longest_backoff_seconds: float = 8.0
  healthy_seconds: float = 60.0
  max_early_failures: int = 3
  orphan_seconds: float = 7.0


class Death(NamedTuple):
  """How a role's process ended that should not have.

  Attributes:
    reason: in words.
    own_fault: whether it failed, and was not stopped or killed from outside.
    lived_seconds: since its start.
    beyond_repair: whether it says itself that a restart would not help.
  """
  reason: str
  own_fault: bool
  lived_seconds: float
  beyond_repair: bool = False


class RestartBudget:
  """Decides whether and when a role is started again."""

  def __init__(self, limits: Limits):
    self._limits = limits
    self._times: Deque[float] = collections.deque()
    self._backoff = limits.first_backoff_seconds
    self._early_failures = 0
    self._is_beyond_repair = False
    self._reasons: Deque[str] = collections.deque(
        maxlen=limits.max_restarts + 1)

  def backoff_after(self, death: Death, now: float) -> Optional[float]:
    """Takes note of a death.

    Args:
      death: of the role's process.
      now: in seconds, monotonic.

    Returns:
      Seconds to wait before the restart; None to give up, with `verdict`.
    """
    limits = self._limits
    well = death.lived_seconds >= limits.healthy_seconds
    early = death.own_fault and not well
    self._early_failures = self._early_failures + 1 if early else 0
    self._reasons.append(death.reason)
    self._is_beyond_repair = death.beyond_repair
    while self._times and now - self._times[0] >= limits.window_seconds:
      self._times.popleft()
    if death.beyond_repair or len(self._times) >= limits.max_restarts or (
        self._early_failures >= limits.max_early_failures):
      return None
    self._times.append(now)
    backoff = limits.first_backoff_seconds if well else self._backoff
    self._backoff = min(2 * backoff, limits.longest_backoff_seconds)
    return backoff

  def verdict(self) -> str:
    """Why the role is given up, after `backoff_after` has said so."""
    last = self._reasons[-1]
    if self._is_beyond_repair:
      return last
    if self._early_failures >= self._limits.max_early_failures:
      return f'{last} ({self._early_failures} failures in a row at its start)'
    count = len(self._times) + 1
    if count == 1:
      return last
    hours = self._limits.window_seconds / 3600.0
    window = 'an hour' if hours == 1.0 else f'{hours:g} hours'
    if set(list(self._reasons)[-count:]) == {last}:
      return f'{last} {count} times in {window}'
    return f'{last} (the last of {count} deaths in {window})'
