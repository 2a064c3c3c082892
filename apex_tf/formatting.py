"""How numbers and names of a run are written for people to read."""

import math
from typing import Dict, List, Optional, Sequence

from apex_tf import config as config_lib

# Of ranges, so many are written.
_MAX_RANGES = 6
# Roles that are named as restarted; the rest is counted.
_MAX_RESTARTED = 3


def task_name(config: config_lib.Config) -> str:
  """What the agent acts in: "CartPole-v1", "Atari Ms Pacman"."""
  environment = config.environment
  if environment.task_field == 'id':
    return environment.id
  suite = {'atari': 'Atari', 'minatar': 'MinAtar'}.get(
      environment.suite, environment.suite)
  return f'{suite} {game_name(environment.game)}'


def game_name(game: str) -> str:
  """Of "space_invaders": "Space Invaders"."""
  return game.replace('_', ' ').title()


def agent_name(config: config_lib.Config) -> str:
  """The agent: "Ape-X DQN"."""
  return f'Ape-X {config.agent.name.upper()}'


def run_title(config: config_lib.Config) -> str:
  """Of a run: "CartPole-v1 · Ape-X DQN · seed 0"."""
  return (f'{task_name(config)} · {agent_name(config)} · '
          f'seed {config.run.seed}')


def count(value: float) -> str:
  """A number of things: "812", "12,345", "12.3M"; at most seven columns.

  A value that is not finite is written as it is: "nan", "inf".
  """
  if not math.isfinite(value):
    return str(value)
  for unit, size in (('T', 1e12), ('G', 1e9), ('M', 1e6)):
    if abs(value) >= size:
      return f'{value / size:.2f}{unit}'
  return f'{value:,.0f}'


def episodes(number: int) -> str:
  """So many episodes: "1 episode", "20 episodes"."""
  return f'{number} episode{"" if number == 1 else "s"}'


def broken_off(number: int) -> str:
  """The end of a sentence: "; 3 episodes broke off", or "" if none did."""
  return f'; {episodes(number)} broke off' if number else ''


def ranges(numbers: Sequence[int]) -> str:
  """Numbers in rising order: "0-2, 5, 7-9"; after six parts "..."."""
  parts: List[List[int]] = []
  for number in numbers:
    if parts and parts[-1][-1] == number - 1:
      parts[-1][1:] = [number]
    else:
      parts.append([number])
  texts = ['-'.join(map(str, part)) for part in parts[:_MAX_RANGES]]
  return ', '.join(texts + ['...'] * (len(parts) > _MAX_RANGES))


def size(number: float) -> str:
  """Bytes: "812 kB", "45 MB", "1.2 GB"."""
  for unit, scale, digits in (('GB', 1e9, 1), ('MB', 1e6, 0)):
    if number >= scale:
      return f'{number / scale:.{digits}f} {unit}'
  return f'{number / 1e3:.0f} kB'


def rate(value: float) -> str:
  """Things per second: "0.52", "92.1", "3,412"."""
  if not math.isfinite(value) or abs(value) >= 100:
    return count(value)
  return f'{value:.1f}' if abs(value) >= 10 else f'{value:.2f}'


def score(value: float) -> str:
  """A return: "500.0", "-0.25", "12,345"; "nan" if it is not a number."""
  if not math.isfinite(value):
    return str(value)
  if abs(value) >= 1e6:
    return f'{value:.2e}'
  if abs(value) >= 10_000:
    return f'{value:,.0f}'
  return f'{value:.1f}' if abs(value) >= 10 else f'{value:.2f}'


def mean_and_std(mean: float, std: float) -> str:
  """A mean and its standard deviation: "487.5 ± 12.3"."""
  size = max(abs(mean), abs(std))
  if not math.isfinite(size) or size >= 10_000:
    return f'{score(mean)} ± {score(std)}'
  return (f'{mean:.1f} ± {std:.1f}' if size >= 10 else
          f'{mean:.2f} ± {std:.2f}')


def target(value: float) -> str:
  """A return that someone has chosen: "475", "-100", "0.5"."""
  return f'{value:,g}'


def percent(value: Optional[float]) -> str:
  """A human-normalized score: "93% of human", or "" if there is none."""
  if value is None or not math.isfinite(value):
    return ''
  return f'{value:,.0f}% of human'


def duration(seconds: float) -> str:
  """A time: "45 s", "3 min 20 s", "2 h 05 min"; rounded down."""
  if not math.isfinite(seconds):
    return 'ever'
  whole = max(0, int(seconds))
  minutes, rest = divmod(whole, 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours} h {minutes:02d} min'
  if minutes:
    return f'{minutes} min {rest:02d} s' if rest else f'{minutes} min'
  return f'{rest} s'


def markdown_table(header: Sequence[str],
                   rows: Sequence[Sequence[str]]) -> str:
  """A table as lines of Markdown."""
  lines = [header, ['---'] * len(header), *rows]
  return ''.join(
      '| ' + ' | '.join(cell.replace('|', '\\|') for cell in line) + ' |\n'
      for line in lines)


def restarts(counts: Optional[Dict[str, int]]) -> List[str]:
  """At most one note: "actor 1 restarted 2x, replay restarted, 1 more".

  Args:
    counts: of each role that was started again.
  """
  often = sorted((counts or {}).items(), key=lambda item: -item[1])
  notes = [f'{role.replace("_", " ")} restarted{f" {n}x" if n > 1 else ""}'
           for role, n in often[:_MAX_RESTARTED]]
  if len(often) > _MAX_RESTARTED:
    notes.append(f'{len(often) - _MAX_RESTARTED} more')
  return [', '.join(notes)] if notes else []


def unsaved(names: Sequence[str]) -> List[str]:
  """At most one note: "not written: policy.npz"."""
  return [f'not written: {", ".join(names)}'] if names else []
