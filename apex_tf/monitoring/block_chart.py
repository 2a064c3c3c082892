"""A chart of evaluations in characters, for terminals."""

from typing import List, Sequence

from apex_tf.monitoring import status as status_lib

_BLOCKS = ' ▁▂▃▄▅▆▇█'


def draw(evaluations: Sequence[status_lib.Evaluation], width: int,
         height: int) -> List[str]:
  """Means of evaluations over time as a chart of block characters.

  Args:
    evaluations: oldest first, of finite means.
    width: columns, the first at the first evaluation, the last at the newest.
    height: lines.

  Returns:
    `height` lines from the top down, each of `width` characters; none if
    there are fewer than two evaluations.
  """
  if len(evaluations) < 2:
    return []
  begin, end = evaluations[0].wall_seconds, evaluations[-1].wall_seconds
  low = min(e.mean for e in evaluations)
  span = (max(e.mean for e in evaluations) - low) or 1.0
  levels, newest = [], 0
  for column in range(width):
    moment = begin + (end - begin) * column / (width - 1)
    while (newest + 1 < len(evaluations) and
           evaluations[newest + 1].wall_seconds <= moment + 1e-9):
      newest += 1
    share = (evaluations[newest].mean - low) / span
    levels.append(1 + round(share * (8 * height - 1)))
  return [
      ''.join(_BLOCKS[min(8, max(0, level - 8 * row))] for level in levels)
      for row in reversed(range(height))
  ]
