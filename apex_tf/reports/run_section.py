"""The section of one run."""

from typing import Callable, List, Mapping, Tuple

from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf.monitoring import learning_curve
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import summary as summary_lib
from apex_tf.reports import columns
from apex_tf.reports import configuration
from apex_tf.reports import panels
from apex_tf.reports import runs as runs_lib
from apex_tf.reports import section

# A run that goes on writes its status each second.
_FRESH_SECONDS = 60.0


def make(run: runs_lib.Run,
         presets: Mapping[str, config_lib.Config]) -> section.Section:
  """All that there is to say of a run.

  Args:
    run: as it was read.
    presets: see `configuration.describe`.
  """
  return section.Section(
      title=fmt.run_title(run.config),
      name=run.name,
      highlights=_highlights(run),
      paragraphs=_paragraphs(run),
      tables=columns.facts(run),
      galleries=[_learning(run), *panels.galleries(run)],
      configuration=configuration.describe(
          run.config, run.summary['versions'], presets))


def _highlights(run: runs_lib.Run) -> List[Tuple[str, str]]:
  """The numbers that one looks for first; those that are known."""
  summary = run.summary
  found = []
  for label, name, text in (
      (f'{_which(run)} return', 'final_return_mean', _mean_and_std(run)),
      ('of human play', 'human_normalized_score', '{:,.0f}%'.format),
      ('best return', 'best_return_mean', fmt.score),
      ('agent steps', 'agent_steps', fmt.count),
      ('learner steps', 'learner_steps', fmt.count),
      ('wall time', 'wall_seconds', fmt.duration)):
    if summary[name] is not None:
      found.append((label, text(summary[name])))
  return found


def _which(run: runs_lib.Run) -> str:
  return 'final' if run.summary['final_evaluation_complete'] else 'newest'


def _mean_and_std(run: runs_lib.Run) -> Callable[[float], str]:
  std = run.summary['final_return_std']
  return lambda mean: (
      fmt.score(mean) if std is None else fmt.mean_and_std(mean, std))


def _paragraphs(run: runs_lib.Run) -> List[str]:
  """What came out, and what a reader would otherwise be misled about."""
  found = [f'{summary_lib.final_line(run.summary)}.']
  if not run.has_ended:
    age = run.status_age_seconds
    found.append(
        'The run is going on: this is how far it had come when this page was '
        'made.' if age < _FRESH_SECONDS else
        'The run has left no summary: it is stopped, or was killed. This is '
        f'how far it had come {fmt.duration(age)} before this page was made.')
    found.append('Versions are those of the installation that made this page; '
                 'the run writes its own when it ends.')
  restarts = fmt.restarts(run.summary['restarts'])
  if restarts:
    found.append(f'Of the processes, {restarts[0]}.')
  if run.restart_minutes().size:
    found.append("Where a picture has a dotted line, the learner's points go "
                 'on in another file, as after a restart; the time between is '
                 'left out.')
  missing = [kind for kind in metric_table.STEP_UNITS if not run.roles(kind)]
  if missing:
    found.append('There are no event files of these roles, so the pictures of '
                 f'their metrics are empty: {", ".join(missing)}.')
  return found


def _learning(run: runs_lib.Run) -> section.Gallery:
  """The learning curves."""
  caption = ('Mean of each evaluation, one standard deviation as a band, and '
             'each episode as a dot; the star is the final policy.',)
  return section.Gallery('Learning', [
      section.Picture(
          'Against agent steps', caption,
          lambda axes: learning_curve.draw_by_agent_steps(
              axes, run.status, run.config)),
      section.Picture(
          'Against minutes', caption,
          lambda axes: learning_curve.draw_by_minutes(
              axes, run.status, run.config)),
  ])
