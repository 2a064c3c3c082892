"""Measurements that take turns, and what is made of them."""

import dataclasses
import statistics
from typing import Callable, Dict, List, Mapping

from apex_tf.benchmarks import workers

# What makes a figure of one window.
Figure = Callable[[workers.Window], float]

# A contender is one task of one worker.
Measure = Callable[[float], workers.Window]


def alternate(contenders: Mapping[str, Measure], seconds: float,
              num_rounds: int, warm_up_seconds: float
              ) -> Dict[str, List[workers.Window]]:
  """Measures contenders in turns, each round in the other order.

  Args:
    contenders: by name; each is given the seconds of a window.
    seconds: of one window.
    num_rounds: windows of each.
    warm_up_seconds: of one window of each before, which does not count.

  Returns:
    Of each contender its windows, in the order of the rounds.
  """
  for measure in contenders.values():
    measure(warm_up_seconds)
  windows: Dict[str, List[workers.Window]] = {name: [] for name in contenders}
  names = list(contenders)
  for _ in range(num_rounds):
    for name in names:
      windows[name].append(contenders[name](seconds))
    names.reverse()
  return windows


@dataclasses.dataclass
class Sample:
  """One figure as several windows or rounds gave it.

  Attributes:
    values: in the order of the rounds.
  """
  values: List[float]

  @property
  def median(self) -> float:
    return statistics.median(self.values)

  @property
  def low(self) -> float:
    return min(self.values)

  @property
  def high(self) -> float:
    return max(self.values)

  @classmethod
  def of(cls, windows: List[workers.Window], figure: Figure) -> 'Sample':
    return cls([figure(window) for window in windows])

  def over(self, other: 'Sample') -> 'Sample':
    """The ratio to another, round by round: what both rounds had to bear
    from other users of the machine cancels."""
    return Sample([a / b for a, b in zip(self.values, other.values)])


def per_second(window: workers.Window) -> float:
  return window['count'] / window['seconds']


def per_cpu_second(clock: str) -> Figure:
  return lambda window: window['count'] / window[clock]


def each(clock: str) -> Figure:
  """What one of them has advanced a clock by."""
  return lambda window: window[clock] / window['count']


def microseconds(clock: str) -> Figure:
  """CPU time of one."""
  return lambda window: 1e6 * each(clock)(window)
