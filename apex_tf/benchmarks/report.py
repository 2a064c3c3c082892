"""What a suite found, as a table and as JSON."""

import dataclasses
import math
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from apex_tf import formatting as fmt
from apex_tf.benchmarks import rounds


class Point(NamedTuple):
  """Where a figure is drawn.

  Attributes:
    picture: its name.
    panel: of the picture; what its vertical axis is.
    line: of the panel; "" where there is one.
    num_actors: on the horizontal axis.
  """
  picture: str
  panel: str
  line: str
  num_actors: int


@dataclasses.dataclass
class Row:
  """One line: a figure, and what it is measured against.

  Attributes:
    suite: that measured it.
    what: is measured.
    sample: of the figure.
    unit: of the figure.
    against: names what the ratio compares with; "" where there is no ratio.
    ratio: to that, round by round.
    bound: what the ratio, or the figure where there is none, has to reach;
      None where nothing is asked of it.
    bound_is_lower: whether the bound is the least, otherwise the most.
    point: where it is drawn, if it is.
  """
  suite: str
  what: str
  sample: rounds.Sample
  unit: str
  against: str = ''
  ratio: Optional[rounds.Sample] = None
  bound: Optional[float] = None
  bound_is_lower: bool = True
  point: Optional[Point] = None

  @property
  def holds(self) -> Optional[bool]:
    """Whether the median is within the bound; None where there is none."""
    if self.bound is None:
      return None
    value = (self.ratio or self.sample).median
    return value >= self.bound if self.bound_is_lower else value <= self.bound

  def to_mapping(self) -> Dict[str, Any]:
    """For JSON, every round included."""
    return {
        'suite': self.suite,
        'what': self.what,
        'unit': self.unit,
        'median': self.sample.median,
        'values': self.sample.values,
        'against': self.against,
        'ratio': self.ratio.median if self.ratio else None,
        'ratios': self.ratio.values if self.ratio else None,
        'bound': self.bound,
        'bound_is': 'at least' if self.bound_is_lower else 'at most',
        'holds': self.holds,
        'num_actors': self.point.num_actors if self.point else None,
    }


_HEADER = ('suite', 'what', 'median', 'lowest to highest', 'unit',
           'against', 'ratio', 'asked', '')


def table(rows: Sequence[Row]) -> str:
  """All rows as a Markdown table."""
  lines = []
  for row in rows:
    bound = ''
    if row.bound is not None:
      bound = f'{"≥" if row.bound_is_lower else "≤"} {_number(row.bound)}'
    lines.append((
        row.suite, row.what, _number(row.sample.median),
        f'{_number(row.sample.low)} to {_number(row.sample.high)}', row.unit,
        row.against, f'{row.ratio.median:.2f}' if row.ratio else '', bound,
        {None: '', True: 'yes', False: 'NO'}[row.holds]))
  return fmt.markdown_table(_HEADER, lines)


def missed(rows: Sequence[Row]) -> List[Row]:
  """Those that do not reach what is asked of them."""
  return [row for row in rows if row.holds is False]


def _number(value: float) -> str:
  """Three significant digits, without an exponent."""
  if value == 0 or not math.isfinite(value):
    return f'{value:g}'
  digits = max(0, 2 - math.floor(math.log10(abs(value))))
  return f'{value:,.{min(digits, 4)}f}'
