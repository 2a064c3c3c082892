"""The final table: what is said of each run, on a page and as CSV."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from apex_tf import environments
from apex_tf import formatting as fmt
from apex_tf.environments import protocol
from apex_tf.environments import scores
from apex_tf.reports import runs as runs_lib
from apex_tf.reports import section

# Of a cell of which nothing is known.
BLANK = '–'


class Column(NamedTuple):
  """One thing that is said of each run.

  Attributes:
    title: on a page.
    names: of its columns in the CSV file.
    values: of a run, one for each of `names`; None where it is not known.
    text: of these values, none of which is None, for a page.
  """
  title: str
  names: Sequence[str]
  values: Callable[[runs_lib.Run], Sequence[Any]]
  text: Callable[..., str] = str

  def cell(self, run: runs_lib.Run) -> str:
    """Of a page."""
    values = self.values(run)
    return BLANK if None in values else self.text(*values)


class Group(NamedTuple):
  """Columns under one heading.

  Attributes:
    title: the heading.
    columns: of the table.
    concerns: whether they say anything of a run.
    note: said below the table.
    explains: whether the note says anything of a run.
  """
  title: str
  columns: Sequence[Column]
  concerns: Callable[[runs_lib.Run], bool] = lambda run: True
  note: str = ''
  explains: Callable[[runs_lib.Run], bool] = lambda run: True

  def note_on(self, runs: Sequence[runs_lib.Run]) -> str:
    """The note, if it says anything of one of these; otherwise ""."""
    return self.note if any(map(self.explains, runs)) else ''


def _summary(title: str, *names: str,
             text: Callable[..., str] = str) -> Column:
  """A column of what the summary has under these names."""
  return Column(title, names,
                lambda run: [run.summary[name] for name in names], text)


def _is_atari(run: runs_lib.Run) -> bool:
  return run.config.environment.suite == 'atari'


def _references(run: runs_lib.Run) -> Optional[scores.ReferenceScores]:
  """Of the game, or None where there are none."""
  return environments.reference_scores(run.config.environment)


def _reference(title: str, name: str) -> Column:
  """A column of the scores that others have reached in the game."""
  def values(run: runs_lib.Run) -> Sequence[Any]:
    found = _references(run)
    return [None if found is None else getattr(found, name)]
  return Column(title, (f'{name}_return',), values, fmt.score)


def _normalized(title: str, name: str,
                score: Callable[[runs_lib.Run], Optional[float]]) -> Column:
  """A column of a score in percent of the way from random to human play."""
  def values(run: runs_lib.Run) -> Sequence[Any]:
    mean = score(run) if _is_atari(run) else None
    return [None if mean is None else scores.human_normalized_score(
        run.config.environment.game, mean)]
  return Column(title, (name,), values, lambda value: f'{value:,.1f}%')


def _apex_score(run: runs_lib.Run) -> Optional[float]:
  found = _references(run)
  return None if found is None else found.apex_noop


def _protocol(name: str) -> Column:
  """A column of the rules of play, as the run has recorded them."""
  def values(run: runs_lib.Run) -> Sequence[Any]:
    return [run.summary['protocol'].get(name)]
  return Column(name.replace('_', ' '), (f'protocol_{name}',), values,
                _rule)


def _rule(value: Any) -> str:
  if isinstance(value, bool):
    return 'yes' if value else 'no'
  return f'{value:,}' if isinstance(value, int) else str(value)


def _evaluation_epsilon(run: runs_lib.Run) -> Optional[float]:
  return (run.config.dqn.evaluation_epsilon
          if run.config.agent.name == 'dqn' else None)


def _ending(reason: str, has_ended: bool) -> str:
  return reason or ('ended' if has_ended else 'going on')


GROUPS: Sequence[Group] = (
    Group('Result', (
        _summary('task', 'task'),
        Column('agent', ('agent',), lambda run: [run.config.agent.name],
               lambda name: f'Ape-X {name.upper()}'),
        _summary('seed', 'seed'),
        _summary('final return', 'final_return_mean', 'final_return_std',
                 text=fmt.mean_and_std),
        _summary('policy of learner step', 'evaluated_version',
                 text=lambda step: f'{step:,}'),
        _summary('episodes', 'evaluation_episodes'),
        _summary('final evaluation complete', 'final_evaluation_complete',
                 text=lambda whole: 'yes' if whole else 'no'),
        _summary('best return', 'best_return_mean',
                 text=fmt.score),
        Column('stopped by', ('stop_reason', 'has_ended'),
               lambda run: [run.summary['stop_reason'], run.has_ended],
               _ending),
    ), note='Returns are raw: the mean and the population standard deviation '
       'over the episodes of one evaluation.'),
    Group('Against random play, humans and the paper', (
        _reference('random play', 'random'),
        _reference('human', 'human'),
        _reference('Ape-X in the paper, no-op starts', 'apex_noop'),
        _normalized('final, human-normalized',
                    'human_normalized_final_percent',
                    lambda run: run.summary['final_return_mean']),
        _normalized('best, human-normalized', 'human_normalized_best_percent',
                    lambda run: run.summary['best_return_mean']),
        _normalized("the paper's, human-normalized",
                    'human_normalized_apex_noop_percent', _apex_score),
    ), _is_atari,
       'Human-normalized is 100 (return − random) / (human − random): 0% is '
       "random play, 100% is human play. The paper's column is the best score "
       'that one seed reached during training, with 360 actors and up to 30 '
       'no-ops before an episode; it stands beside our best, not our final.'),
    Group('What it took', (
        _summary('wall time', 'wall_seconds', text=fmt.duration),
        _summary('learner steps', 'learner_steps', text='{:,}'.format),
        _summary('agent steps', 'agent_steps', text='{:,}'.format),
        _summary('environment frames', 'environment_frames',
                 text='{:,}'.format),
        _summary('training episodes', 'episodes', text='{:,}'.format),
        _summary('learner steps/s', 'learner_steps_per_second', text=fmt.rate),
        _summary('samples/s', 'samples_per_second', text=fmt.rate),
        _summary('agent steps/s', 'agent_steps_per_second', text=fmt.rate),
        Column('restarts', ('restarts',),
               lambda run: [sum(run.summary['restarts'].values())],
               lambda count: f'{count:,}' if count else 'none'),
    ), note='Rates are averages: of the learner since its first step, of the '
       'actors over the whole run. Samples are transitions learned from.'),
    Group('Evaluation', (
        Column('episodes of an evaluation', ('evaluator_episodes',),
               lambda run: [run.config.evaluator.episodes]),
        Column('epsilon of the evaluation', ('evaluation_epsilon',),
               lambda run: [_evaluation_epsilon(run)],
               lambda epsilon: f'{epsilon:g}' if epsilon else '0 (greedy)'),
    )),
    Group('Protocol', tuple(map(_protocol, protocol.NAMES)),
          lambda run: bool(run.summary['protocol']),
          'Of Atari, the paper: all 18 actions, up to 30 no-ops, no sticky '
          'actions, episodes of at most 50,000 frames in training.',
          _is_atari),
)


def facts(run: runs_lib.Run) -> List[section.Table]:
  """All that is said of one run: a table a group, a row a column."""
  return [
      section.Table(group.title, (), [
          (column.title, column.cell(run)) for column in group.columns],
          group.note_on([run]))
      for group in GROUPS if group.concerns(run)]


def comparison(runs: Sequence[runs_lib.Run]) -> List[section.Table]:
  """All that is said of several: a table a group, a row a run."""
  tables = []
  for group in GROUPS:
    concerned = [run for run in runs if group.concerns(run)]
    if concerned:
      tables.append(section.Table(
          group.title, ('run', *(column.title for column in group.columns)),
          [(run.name, *(column.cell(run) for column in group.columns))
           for run in concerned], group.note_on(concerned)))
  return tables


def csv_rows(runs: Sequence[runs_lib.Run]) -> List[Dict[str, Any]]:
  """All columns of all runs as numbers, by name."""
  columns = [column for group in GROUPS for column in group.columns]
  return [
      {'run': run.name, **{
          name: value for column in columns
          for name, value in zip(column.names, column.values(run))}}
      for run in runs]


def curve_rows(runs: Sequence[runs_lib.Run]) -> List[Dict[str, Any]]:
  """Each evaluation of each run as numbers, by name."""
  return [{'run': run.name, **point._asdict()}
          for run in runs for point in run.evaluations]
