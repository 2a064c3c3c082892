"""The table, the bounds, the JSON."""

import json

from apex_tf.benchmarks import report
from apex_tf.benchmarks import rounds


def _row(values, **fields):
  return report.Row('suite', 'what', rounds.Sample(values), '1/s', **fields)


def test_a_bound_is_on_the_ratio_where_there_is_one():
  ratio = rounds.Sample([0.9, 0.8, 0.7])
  assert _row([100.0], ratio=ratio, bound=0.8).holds is True
  assert _row([100.0], ratio=ratio, bound=0.81).holds is False
  assert _row([100.0], bound=0.81).holds is True


def test_a_bound_may_be_the_most():
  assert _row([24.0, 25.0, 90.0], bound=25.0, bound_is_lower=False).holds is (
      True)
  assert _row([26.0], bound=25.0, bound_is_lower=False).holds is False
  assert _row([26.0]).holds is None


def test_missed_are_those_that_do_not_hold():
  rows = [_row([1.0]), _row([1.0], bound=2.0), _row([3.0], bound=2.0)]
  assert report.missed(rows) == [rows[1]]


def test_the_table_has_a_line_for_each_row():
  lines = report.table([
      _row([1234.5, 1000.0, 2000.0], against='other',
           ratio=rounds.Sample([0.123]), bound=0.5),
      _row([0.01234], bound=0.5, bound_is_lower=False),
  ]).splitlines()
  assert lines[2] == ('| suite | what | 1,234 | 1,000 to 2,000 | 1/s | other | '
                      '0.12 | ≥ 0.500 | NO |')
  assert lines[3] == ('| suite | what | 0.0123 | 0.0123 to 0.0123 | 1/s |  |  |'
                      ' ≤ 0.500 | yes |')
  assert len({line.count('|') for line in lines}) == 1


def test_json_has_every_round():
  row = _row([1.0, 3.0, 2.0], against='other', ratio=rounds.Sample([0.5]),
             bound=0.25)
  assert json.loads(json.dumps(row.to_mapping())) == {
      'suite': 'suite', 'what': 'what', 'unit': '1/s', 'median': 2.0,
      'values': [1.0, 3.0, 2.0], 'against': 'other', 'ratio': 0.5,
      'ratios': [0.5], 'bound': 0.25, 'bound_is': 'at least', 'holds': True,
      'num_actors': None}
