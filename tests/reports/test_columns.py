"""The final table, against numbers computed by hand."""

import math

import pytest

from apex_tf import config as config_lib
from apex_tf.monitoring import summary as summary_lib
from apex_tf.reports import columns
from apex_tf.reports import evaluations
from apex_tf.reports import event_files
from apex_tf.reports import runs
from tests.reports import made_runs


def _run(config, returns=(10.0, 14.0), name='run', **others):
  status = made_runs.make_status([
      made_runs.make_evaluation(100, [18.0]),
      made_runs.make_evaluation(500, list(returns), final=True)], **others)
  return runs.Run(
      name=name, config=config, status=status,
      summary=summary_lib.summarize(status, config, {'actor_0': 2}),
      has_ended=True, status_age_seconds=0.0,
      evaluations=evaluations.merge(status, event_files.NO_EVENTS), events={})


def _row(run):
  (row,) = columns.csv_rows([run])
  names = [name for group in columns.GROUPS for column in group.columns
           for name in column.names]
  assert list(row) == ['run', *names]  # Each once.
  return row


def test_human_normalized_scores_of_pong():
  row = _row(_run(made_runs.atari_config()))
  assert (row['final_return_mean'], row['final_return_std']) == (12.0, 2.0)
  assert row['best_return_mean'] == 18.0
  # Random play has -20.7, humans 14.6, the paper 20.9.
  assert (row['random_return'], row['human_return'],
          row['apex_noop_return']) == (-20.7, 14.6, 20.9)
  assert row['human_normalized_final_percent'] == pytest.approx(
      100 * 32.7 / 35.3)
  assert row['human_normalized_best_percent'] == pytest.approx(
      100 * 38.7 / 35.3)
  assert row['human_normalized_apex_noop_percent'] == pytest.approx(
      100 * 41.6 / 35.3)
  assert row['restarts'] == 2 and row['samples_per_second'] == 512.0


def test_protocols_of_atari():
  config = made_runs.atari_config()
  row = _row(_run(config))
  assert row['protocol_action_set'] == 'all 18'
  assert row['protocol_max_noops'] == 30
  assert row['protocol_sticky_action_probability'] == 0.0
  assert row['protocol_max_training_frames'] == 50_000
  assert row['protocol_max_evaluation_frames'] == 108_000
  assert row['protocol_zero_discount_on_life_loss'] is True
  config.environment.atari_protocol = 'machado2018'
  row = _row(_run(config))
  assert row['protocol_max_noops'] == 0
  assert row['protocol_sticky_action_probability'] == 0.25
  assert row['protocol_zero_discount_on_life_loss'] is False


def test_what_is_not_known_is_blank():
  config = config_lib.Config()
  config.environment.suite = 'minatar'
  config.environment.game = 'breakout'  # A game of Atari has that name too.
  run = _run(config, returns=(math.nan,))
  row = _row(run)
  for name in ('random_return', 'human_normalized_best_percent',
               'protocol_max_noops', 'final_return_mean'):
    assert row[name] is None
  assert row['protocol_action_set'] == 'all 6'
  result, *others = columns.facts(run)
  assert ('final return', columns.BLANK) in result.rows
  assert [table.title for table in others] == [
      'What it took', 'Evaluation', 'Protocol']
  # A game without scores of others, of Atari.
  row = _row(_run(made_runs.atari_config('adventure')))
  assert row['human_return'] is None and row['protocol_max_noops'] == 30


def test_a_page_says_it_in_words():
  tables = {table.title: dict(table.rows)
            for table in columns.facts(_run(made_runs.atari_config()))}
  assert tables['Result']['final return'] == '12.0 ± 2.0'
  assert tables['Result']['stopped by'] == 'max_learner_steps'
  against = tables['Against random play, humans and the paper']
  assert against['final, human-normalized'] == '92.6%'
  assert against['best, human-normalized'] == '109.6%'
  assert against["the paper's, human-normalized"] == '117.8%'
  assert tables['What it took']['environment frames'] == '20,000'
  assert tables['What it took']['wall time'] == '10 min'
  assert tables['Protocol']['action set'] == 'all 18'
  assert tables['Protocol']['zero discount on life loss'] == 'yes'
  assert tables['Protocol']['max evaluation frames'] == '108,000'


def test_several_runs_have_a_row_each_where_it_concerns_them():
  both = [_run(made_runs.atari_config(), name='a'),
          _run(config_lib.Config(), name='b')]
  tables = {table.title: table for table in columns.comparison(both)}
  assert [row[0] for row in tables['Result'].rows] == ['a', 'b']
  assert [row[0] for row in tables['Protocol'].rows] == ['a']
  assert all(len(row) == len(table.header)
             for table in tables.values() for row in table.rows)


def test_curves_have_each_evaluation():
  first, last = columns.curve_rows([_run(made_runs.atari_config())])
  assert first == {
      'run': 'run', 'learner_step': 100, 'agent_steps': 1000,
      'environment_frames': 4000, 'minutes': 100 / 60, 'mean': 18.0, 'std': 0.0,
      'episodes': 1}
  assert list(last.values()) == [
      'run', 500, 5000, 20_000, 500 / 60, 12.0, 2.0, 2]
