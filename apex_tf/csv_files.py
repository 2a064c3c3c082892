"""Tables as CSV."""

import csv
import io
import math
from typing import Any, Mapping, Sequence


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
  """The content of a file.

  Args:
    rows: at least one, all of the same columns in the same order.

  Returns:
    Lines that end in a line feed, the names of the columns first. What is None
    or not finite is an empty field.
  """
  text = io.StringIO()
  writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
  writer.writeheader()
  writer.writerows({name: _cell(value) for name, value in row.items()}
                   for row in rows)
  return text.getvalue()


def _cell(value: Any) -> Any:
  if value is None or isinstance(value, float) and not math.isfinite(value):
    return ''
  return value
