"""The section of a study."""

from typing import Any, List, Mapping, NamedTuple, Sequence

from matplotlib.axes import Axes

from apex_tf import config as config_lib
from apex_tf import drawing
from apex_tf.experiments import games
from apex_tf.experiments import outcomes
from apex_tf.experiments import pictures
from apex_tf.experiments import studies
from apex_tf.experiments import study_directory
from apex_tf.experiments import tables
from apex_tf.monitoring import metric_table
from apex_tf.reports import configuration
from apex_tf.reports import runs as runs_lib
from apex_tf.reports import section

# What a study's pictures of rates show: column of a cell's row, and its unit.
_RATES = (
    ('learner_steps_per_second', 'Rate of the learner', 'learner steps/s'),
    ('agent_steps_per_second', 'Rate of all actors', 'agent steps/s'),
)
_DOTS = ('Mean over the seeds, its 95 % interval, and each seed as a dot.',)


class Study(NamedTuple):
  """A study that has a finished cell.

  Attributes:
    runs: of the finished cells.
    section: of the page.
  """
  runs: Sequence[runs_lib.Run]
  section: section.Section


def is_study(path: str) -> bool:
  """Whether a study has begun in a directory."""
  return study_directory.StudyDirectory(path).holds_study


def read(path: str, name: str,
         presets: Mapping[str, config_lib.Config]) -> Study:
  """Reads a study and all its finished cells.

  Args:
    path: of its directory.
    name: to give it.
    presets: see `configuration.describe`.

  Raises:
    ValueError: names the file that is corrupt or of another version, or says
      that no cell is finished.
  """
  directory = study_directory.StudyDirectory(path)
  plan = directory.read()
  outcome = outcomes.read(directory, plan)
  if not outcome.arms:
    raise ValueError(
        f'{path!r} is a study without results: no cell is finished yet')
  runs: List[runs_lib.Run] = []
  messages: List[str] = []
  for arm in outcome.arms:
    for cell in arm.cells:
      try:
        # Of events only what the tables need: there may be very many cells.
        runs.append(runs_lib.read(
            cell.cell.directory.path,
            f'{name}/{arm.arm.name}/{cell.cell.seed}',
            (metric_table.EVALUATOR,)))
      except ValueError as error:
        messages.append(str(error))
  if messages:
    raise ValueError('; '.join(messages))
  return Study(runs, _make(outcome, runs, name, presets))


def _make(outcome: outcomes.Outcome, runs: Sequence[runs_lib.Run], name: str,
          presets: Mapping[str, config_lib.Config]) -> section.Section:
  """All that there is to say of it."""
  versions = runs[-1].summary['versions']
  others = [run.name for run in runs if run.summary['versions'] != versions]
  is_games = outcome.plan.study.name == studies.GAMES
  plan = outcome.plan
  finished = sum(len(arm.cells) for arm in outcome.arms)
  cells = finished + len(outcome.missing)
  notes = [tables.describe(outcome), f'In the paper: {plan.study.source}.',
           *tables.notes(outcome)]
  if others:
    notes.append('Versions below are those of the last cell; others ran with '
                 f'others: {", ".join(others)}.')
  table = (games.table if is_games else tables.study_table)(outcome)
  return section.Section(
      title=pictures.title(outcome),
      name=name,
      highlights=[
          ('cells finished', f'{finished} of {cells}'),
          ('arms', str(len(plan.arms()))), ('seeds', str(plan.num_seeds))],
      paragraphs=notes + (games.aggregates(outcome) if is_games else []),
      tables=[section.Table(
          'Results', table.header, table.rows,
          tables.MEANS)],
      galleries=(_of_games if is_games else _of_arms)(outcome),
      configuration=configuration.describe(
          plan.common_config(), versions, presets, 'launch.study',
          [f'--study={plan.study.name}', f'--values={",".join(plan.values)}',
           f'--seeds={plan.num_seeds}'],
          {field for arm in plan.arms() for field in arm.overrides}))


def _of_games(outcome: outcomes.Outcome) -> List[section.Gallery]:
  return [section.Gallery('Games', [
      section.Picture(
          arm.arm.label, ('Mean of each evaluation, a line a seed.',),
          lambda axes, arm=arm: pictures.draw_game(axes, arm))  # type: ignore[misc]
      for arm in outcome.arms])]


def _of_arms(outcome: outcomes.Outcome) -> List[section.Gallery]:
  arms = outcome.arms
  found = [section.Gallery('Returns', [
      section.Picture(
          'Against learner steps',
          ('Mean of the evaluations over the seeds; the band is its 95 % '
           'interval.',),
          lambda axes: pictures.draw_curves(axes, arms)),
      section.Picture(
          'Of the final policies', _DOTS,
          lambda axes: pictures.draw_finals(axes, arms)),
  ])]
  found.append(section.Gallery('Rates', [
      section.Picture(title, _DOTS, _rate(arms, name, unit))
      for name, title, unit in _RATES]))
  return found


def _rate(arms: Sequence[outcomes.ArmOutcome], name: str, unit: str) -> Any:
  """What draws a column of the cells' rows."""

  def draw(axes: Axes) -> None:
    drawing.style(axes)
    pictures.draw_intervals(axes, arms, name)
    axes.set_xlabel(unit, color=drawing.INK)

  return draw
