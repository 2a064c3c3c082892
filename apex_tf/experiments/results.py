"""Writes what came out of a study: picture, table, CSV."""

from typing import Dict, List, Union

from apex_tf import csv_files
from apex_tf import files
from apex_tf.experiments import games
from apex_tf.experiments import outcomes
from apex_tf.experiments import pictures
from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import studies
from apex_tf.experiments import study_directory
from apex_tf.experiments import tables


def write(directory: study_directory.StudyDirectory,
          plan: plan_lib.Plan, command: str) -> List[str]:
  """Writes the results of all finished cells, whatever was there before.

  Args:
    directory: of the study.
    plan: of the study.
    command: that runs it.

  Returns:
    Lines for the terminal: the table, and where the files are.

  Raises:
    OSError: they cannot be written.
    ValueError: names the files of cells that cannot be read.
  """
  outcome = outcomes.read(directory, plan)
  if not outcome.arms:
    return ['No cell is finished yet: there are no results.']
  notes = tables.notes(outcome)
  if plan.study.name == studies.GAMES:
    table, rows = games.table(outcome), games.rows(outcome)
    picture = pictures.draw_games(outcome)
    notes = games.aggregates(outcome) + notes
  else:
    table, rows = tables.study_table(outcome), tables.cell_rows(outcome)
    picture = pictures.draw(outcome)
  page = '\n'.join([
      f'# {pictures.title(outcome)}', '', tables.describe(outcome), '',
      f'    {command}', '', table.to_markdown(), f'{tables.MEANS}\n',
      *(f'{note}\n' for note in notes)])
  contents: Dict[str, Union[str, bytes]] = {
      '.png': picture,
      '.md': page,
      '.csv': csv_files.to_csv(rows),
      '_curves.csv': csv_files.to_csv(tables.curve_rows(outcome)),
  }
  lines = [table.to_markdown(), tables.MEANS, *notes]
  for suffix, content in contents.items():
    path = directory.result_file(plan, suffix)
    files.replace_file(path, content, files.MODE_OF_RESULTS)
    lines.append(f'Written: {path}')
  return lines
