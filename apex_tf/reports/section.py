"""What a page is made of: sections, and what they hold.

A page knows nothing but these. Whatever a report is to say is made into a
`Section`, by `run_section` for a run and `study_section` for a study.
"""

import dataclasses
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

from matplotlib.axes import Axes


class Picture(NamedTuple):
  """A picture of one pair of axes.

  Attributes:
    title: short, and drawn above it.
    caption: what its lines are, one a line.
    draw: into empty axes.
  """
  title: str
  caption: Sequence[str]
  draw: Callable[[Axes], None]


class Gallery(NamedTuple):
  """Pictures under one heading."""
  title: str
  pictures: Sequence[Picture]


class Table(NamedTuple):
  """A table of text.

  Attributes:
    title: its heading.
    header: of its columns; empty where the first column names the rows.
    rows: its cells.
    note: said below it; "" is nothing.
  """
  title: str
  header: Sequence[str]
  rows: Sequence[Sequence[str]]
  note: str = ''


class Configuration(NamedTuple):
  """How something was made.

  Attributes:
    command: that makes it again; "" where it is not known.
    differences: from the defaults.
    everything: with what it means.
    versions: of what it was made with.
  """
  command: str
  differences: Table
  everything: Table
  versions: Table


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of a page.

  Attributes:
    title: its heading.
    name: where it is from, such as a directory; "" says nothing.
    highlights: a few numbers with their labels, (label, number).
    paragraphs: sentences.
    tables: of its results.
    galleries: of its pictures.
    configuration: of what it is about, if that has one.
  """
  title: str
  name: str = ''
  highlights: Sequence[Tuple[str, str]] = ()
  paragraphs: Sequence[str] = ()
  tables: Sequence[Table] = ()
  galleries: Sequence[Gallery] = ()
  configuration: Optional[Configuration] = None

  def pictures(self) -> List[Picture]:
    """Of all galleries, in order."""
    return [picture for gallery in self.galleries
            for picture in gallery.pictures]
