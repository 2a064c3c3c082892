"""The text of tables, and what is said beside them."""

import os

from apex_tf.experiments import intervals
from apex_tf.experiments import outcomes
from apex_tf.experiments import tables


def test_markdown():
  table = tables.Table(['a', 'b'], [['1', "the actors' |TD|"], ['', 'x']])
  assert table.to_markdown() == (
      '| a | b |\n'
      '| --- | --- |\n'
      "| 1 | the actors' \\|TD\\| |\n"
      '|  | x |\n')


def test_columns_without_anything_are_left_out():
  table = tables.Table(['a', 'b', 'c', 'd'],
                       [['1', '', '', '2'], ['3', '', '4', '']])
  assert table.without_empty_columns() == tables.Table(
      ['a', 'c', 'd'], [['1', '', '2'], ['3', '4', '']])


def test_numbers_with_their_intervals():
  assert tables.with_interval(None, '{:.1f}'.format) == ''
  assert tables.with_interval(
      intervals.Interval(4.0, 2.48), '{:.1f}'.format) == '4.0 ± 2.5'
  assert tables.with_interval(
      intervals.Interval(4.0, float('nan')), '{:.1f}'.format) == '4.0'


def test_what_would_mislead_is_said(directory, known_plan):
  one, two, three = (
      cell for cell in directory.cells(known_plan) if cell.arm.name == 'n_1')
  for cell, times in ((one, 2), (two, 1)):
    for number in range(times):
      os.makedirs(os.path.join(
          cell.directory.logs_directory, f'previous_{number}'))
  summary = three.read_summary()
  three.directory.write_summary({
      **summary, 'final_evaluation_complete': False,
      'restarts': {'replay': 1, 'learner': 2}})
  missing, resumed, restarted, cut_short = tables.notes(
      outcomes.read(directory, known_plan))
  assert missing == ('Not finished: n = 5, seed 0; n = 3, seed 1; n = 5, seed '
                     '1; n = 3, seed 2; n = 5, seed 2.')
  assert resumed == ('Resumed, with a replay that was filled anew unless it '
                     'has checkpoints: n = 1, seed 0 (2 times); n = 1, seed 1.')
  assert restarted.endswith(
      ': n = 1, seed 2 (learner restarted 2x, replay restarted).')
  assert cut_short.endswith('which leaves out the long ones: n = 1, seed 2.')
