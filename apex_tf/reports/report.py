"""A report over runs and studies: one page, one sheet of pictures, two tables.

    report.html   the page
    report.png    all its pictures on one sheet
    report.csv    the final table, a row a run; the cells of studies too
    curves.csv    each evaluation of each of them
"""

import datetime
import os
from typing import Dict, List, Mapping, NamedTuple, Sequence

import apex_tf
from apex_tf import config as config_lib
from apex_tf import csv_files
from apex_tf import files
from apex_tf.reports import columns
from apex_tf.reports import comparison
from apex_tf.reports import page
from apex_tf.reports import rendering
from apex_tf.reports import run_section
from apex_tf.reports import runs as runs_lib
from apex_tf.reports import section
from apex_tf.reports import study_section


class Part(NamedTuple):
  """What one path comes to.

  Attributes:
    runs: rows of the final table and curves.
    sections: of the page.
    is_study: whether the runs are cells, which the study's section compares.
  """
  runs: Sequence[runs_lib.Run]
  sections: Sequence[section.Section]
  is_study: bool = False


class UnreadableError(Exception):
  """Paths that no report can be made of.

  Attributes:
    messages: a line for each.
  """

  def __init__(self, messages: Sequence[str]):
    super().__init__('; '.join(messages))
    self.messages = messages


def read(paths: Sequence[str],
         presets: Mapping[str, config_lib.Config]) -> List[Part]:
  """Reads everything.

  Args:
    paths: of runs and studies; at least one.
    presets: see `configuration.describe`.

  Raises:
    UnreadableError: names every path of which no part can be made.
  """
  names = _names(paths)
  parts: List[Part] = []
  messages: List[str] = []
  for index, (path, name) in enumerate(zip(paths, names)):
    try:
      if _resolve(path) in map(_resolve, paths[:index]):
        raise ValueError(f'{path!r} is given twice')
      parts.append(read_part(path, name, presets))
    except ValueError as error:
      messages.append(str(error))
  if messages:
    raise UnreadableError(messages)
  return parts


def read_part(path: str, name: str,
              presets: Mapping[str, config_lib.Config]) -> Part:
  """Reads a path, whatever it is of. A new kind is decided on here.

  Args:
    path: of a run directory, or of a study's.
    name: to give what is there.
    presets: see `configuration.describe`.

  Raises:
    ValueError: says why no report can be made of it.
  """
  if not os.path.isdir(_resolve(path)):
    raise ValueError(f'{path!r} is not a directory that exists, but must be '
                     'that of a run or a study')
  if runs_lib.is_run(path):
    run = runs_lib.read(path, name)
    return Part([run], [run_section.make(run, presets)])
  if study_section.is_study(path):
    study = study_section.read(path, name, presets)
    return Part(study.runs, [study.section], is_study=True)
  raise ValueError(f'{path!r} is not the directory of a run or a study: it has '
                   'neither config.json nor study.json')


def make(parts: Sequence[Part]) -> Dict[str, bytes]:
  """The content of each file, by its name."""
  runs = [run for part in parts for run in part.runs]
  sections = [each for part in parts for each in part.sections]
  single = [run for part in parts for run in part.runs if not part.is_study]
  if len(single) > 1:
    sections.insert(0, _overview(single))
  title = _title(parts) if len(parts) > 1 else sections[0].title
  now = datetime.datetime.now(datetime.timezone.utc)
  made = f'Made {now:%Y-%m-%d %H:%M} UTC by apex_tf {apex_tf.__version__}.'
  renderer = rendering.Renderer()
  return {
      'report.html': page.render(
          title, sections, made, renderer.picture).encode(),
      'report.png': renderer.sheet(sections),
      'report.csv': csv_files.to_csv(columns.csv_rows(runs)).encode(),
      'curves.csv': csv_files.to_csv(columns.curve_rows(runs)).encode(),
  }


def write(contents: Mapping[str, bytes], output: str) -> List[str]:
  """Writes the files, in a directory that may be new.

  Returns:
    Their paths.

  Raises:
    OSError: one is not written.
  """
  output = _resolve(output)
  os.makedirs(output, exist_ok=True)
  paths = []
  for name, content in contents.items():
    paths.append(os.path.join(output, name))
    files.replace_file(paths[-1], content, files.MODE_OF_RESULTS)
  return paths


def check_output(output: str) -> None:
  """Refuses a directory that cannot be written.

  Raises:
    ValueError: names `output`, its value and what is allowed.
  """
  if allowed := files.refuse_directory(_resolve(output)):
    raise ValueError(f'output is {output!r}, but must be {allowed}')


def _title(parts: Sequence[Part]) -> str:
  """Of several: "2 runs and 1 study of Ape-X"."""
  studies = sum(part.is_study for part in parts)
  runs = len(parts) - studies
  counted = [f'{runs} run{"s" * (runs > 1)}'] if runs else []
  if studies:
    counted.append(f'{studies} stud{"ies" if studies > 1 else "y"}')
  return f'{" and ".join(counted)} of Ape-X'


def _overview(runs: Sequence[runs_lib.Run]) -> section.Section:
  """The section in front of several: what they have come to, together."""
  return section.Section(
      title='All runs', tables=columns.comparison(runs),
      galleries=comparison.galleries(runs))


def _names(paths: Sequence[str]) -> List[str]:
  """The ends of the paths that are long enough to tell them apart."""
  names = []
  for path in paths:
    parts = _resolve(path).split(os.sep)
    others = [other for other in map(_resolve, paths)
              if other != _resolve(path)]
    length = 1
    while length < len(parts) and any(
        other.split(os.sep)[-length:] == parts[-length:] for other in others):
      length += 1
    names.append(os.sep.join(parts[-length:]))
  return names


def _resolve(path: str) -> str:
  return os.path.realpath(os.path.expanduser(path))
