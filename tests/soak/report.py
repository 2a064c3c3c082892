"""What a soak says in the end: two tables, and which bound does not hold."""

from typing import Dict, List, NamedTuple, Sequence, Tuple

from tests.soak import arithmetic
from tests.soak import recorder

# Of the acceptance of reliability: percent an hour, and a share.
MOST_GROWTH = 2.0
LEAST_RATIO, MOST_RATIO = 0.9, 1.1

_MEGABYTE = 1e6
_FEWEST_LOOKS = 8


class Report(NamedTuple):
  """Lines of Markdown, and a line for each bound that does not hold."""
  markdown: List[str]
  broken: List[str]


def make(looks: Sequence[recorder.Look], minutes: float) -> Report:
  """Judges the looks after replay was full.

  Args:
    looks: of `recorder.since_full`.
    minutes: that the whole soak took.
  """
  if len(looks) < _FEWEST_LOOKS:
    line = (f'too short: {len(looks)} looks after replay was full, and at '
            f'least {_FEWEST_LOOKS} are needed')
    return Report([line], [line])
  seconds = looks[-1].seconds - looks[0].seconds
  nodes, broken_nodes = _nodes(looks)
  throughput, broken_throughput = _throughput(looks)
  return Report([
      f'{minutes:.1f} minutes, of which {seconds / 60:.1f} after replay was '
      f'full ({looks[0].replay_size:,} transitions after '
      f'{looks[0].seconds / 60:.1f} minutes); {len(looks)} looks at each.',
      '', *nodes, '', *throughput,
  ], broken_nodes + broken_throughput)


def _nodes(looks: Sequence[recorder.Look]) -> Tuple[List[str], List[str]]:
  """The table of the processes, and what does not hold."""
  lines = [
      '| node | RSS at full, MB | RSS at end | RSS slope, %/h | USS slope, %/h '
      '| USS at end | threads | open files | restarts |',
      '|---|---|---|---|---|---|---|---|---|']
  broken = []
  for name, (times, nodes) in _series(looks).items():
    restarts = looks[-1].restarts.get(name, 0)
    growth = _growth(times, [node.rss for node in nodes])
    private = _growth(times, [node.uss for node in nodes])
    first, last = nodes[0], nodes[-1]
    lines.append(
        f'| {name} | {first.rss / _MEGABYTE:.1f} | {last.rss / _MEGABYTE:.1f} '
        f'| {growth.value:+.2f} ± {growth.error:.2f} '
        f'| {private.value:+.2f} ± {private.error:.2f} '
        f'| {last.uss / _MEGABYTE:.1f} '
        f'| {_change(first.threads, last.threads)} '
        f'| {_change(first.files, last.files)} | {restarts} |')
    if growth.value > MOST_GROWTH:
      broken.append(f"{name}: RSS grows by {growth.value:.2f} ± "
                    f'{growth.error:.2f} % an hour, and {MOST_GROWTH:g} is '
                    'the most')
    if restarts > looks[0].restarts.get(name, 0):
      broken.append(f'{name}: started again while it was watched')
  return lines, broken


def _growth(times: Sequence[float], sizes: Sequence[int]) -> arithmetic.Slope:
  """Percent of the first size in an hour."""
  if len(times) < 2:
    return arithmetic.Slope(float('nan'), float('inf'))
  slope = arithmetic.fit_slope(times, sizes)
  percent_per_hour = 100 * 3600 / sizes[0]
  return arithmetic.Slope(slope.value * percent_per_hour,
                          slope.error * percent_per_hour)


def _change(first: int, last: int) -> str:
  return str(first) if first == last else f'{first} to {last}'


_Series = Dict[str, Tuple[List[float], List[recorder.Node]]]


def _series(looks: Sequence[recorder.Look]) -> _Series:
  """Seconds and measurements of each node; the small supervisors last."""
  result: _Series = {}
  for look in looks:
    for name, node in look.nodes.items():
      times, nodes = result.setdefault(name, ([], []))
      times.append(look.seconds)
      nodes.append(node)
  return dict(sorted(
      result.items(), key=lambda item: (item[0].endswith('visor'), item[0])))


def _throughput(looks: Sequence[recorder.Look]) -> Tuple[List[str], List[str]]:
  """The table of the first and the last quarter, and what does not hold."""
  quarters = arithmetic.outer_quarters([look.seconds for look in looks])
  walls = [look.wall_seconds for look in looks]
  lines = ['| throughput | first quarter | last quarter | ratio |',
           '|---|---|---|---|']
  broken = []
  for unit, counts, cpus in (
      ('agent steps', [look.agent_steps for look in looks],
       _cpu_seconds(looks, 'actor_')),
      ('learner steps', [look.learner_steps for look in looks],
       _cpu_seconds(looks, 'learner'))):
    first, last = (_rate(counts, walls, quarter) for quarter in quarters)
    by_time = arithmetic.ratio(last, first)
    first_cpu, last_cpu = (_rate(counts, cpus, quarter) for quarter in quarters)
    by_cpu = arithmetic.ratio(last_cpu, first_cpu)
    lines += [
        f'| {unit}/s | {first:,.1f} | {last:,.1f} | {by_time:.3f} |',
        f'| {unit} per CPU second of their processes | {first_cpu:,.1f} '
        f'| {last_cpu:,.1f} | {by_cpu:.3f} |']
    if not LEAST_RATIO <= by_time <= MOST_RATIO:
      broken.append(
          f'{unit}/s: the last quarter has {by_time:.3f} of the first (per CPU '
          f'second {by_cpu:.3f}), and {LEAST_RATIO:g} to {MOST_RATIO:g} is '
          'allowed')
  return lines, broken


def _cpu_seconds(looks: Sequence[recorder.Look], prefix: str) -> List[float]:
  """CPU seconds of all roles whose name begins so, at each look."""
  names = {name for look in looks for name in look.nodes
           if name.startswith(prefix) and not name.endswith('supervisor')}
  sums = [0.0] * len(looks)
  for name in names:
    seen = 0.0
    counts = []
    for look in looks:
      if name in look.nodes:
        seen = look.nodes[name].cpu_seconds
      counts.append(seen)
    sums = [a + b for a, b in zip(sums, arithmetic.total(counts))]
  return sums


def _rate(counts: Sequence[float], clock: Sequence[float],
          quarter: Sequence[int]) -> float:
  """Of a count, against a clock, from the first to the last of a quarter."""
  begin, end = quarter[0], quarter[-1]
  return arithmetic.ratio(counts[end] - counts[begin],
                          clock[end] - clock[begin])
