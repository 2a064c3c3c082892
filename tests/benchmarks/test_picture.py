"""Pictures of throughput against actors."""

from matplotlib import image
import pytest

from apex_tf.benchmarks import picture
from apex_tf.benchmarks import report
from apex_tf.benchmarks import rounds


def _row(values, *point):
  return report.Row('suite', 'what', rounds.Sample(values), '1/s',
                    point=report.Point(*point))


def test_rows_are_drawn_where_they_say():
  first, second = rounds.Sample([1.0]), rounds.Sample([2.0])
  assert picture.pictures([
      _row(first.values, 'one', 'panel', 'line', 4),
      report.Row('suite', 'what', first, '1/s'),
      _row(second.values, 'one', 'panel', 'line', 2),
      _row(second.values, 'one', 'panel', 'other', 2),
      _row(first.values, 'two', 'panel', '', 1),
  ]) == {'one': {'panel': {'line': {4: first, 2: second},
                           'other': {2: second}}},
         'two': {'panel': {'': {1: first}}}}


def test_more_is_higher(tmp_path):
  path = tmp_path / 'actors.png'
  picture.write(
      str(path), {'rate': {'': {4: rounds.Sample([400.0, 420.0, 390.0]),
                                1: rounds.Sample([100.0])}}}, 'here')
  pixels = image.imread(path)
  assert pixels.shape[:2] == (600, 900)
  # Where the line's blue is, in rows from the top and columns.
  heights, columns = (
      (pixels[..., 2] > 0.55) & (pixels[..., 0] < 0.3)).nonzero()
  left = heights[columns == columns.min() + 10].min()
  right = heights[columns == columns.max() - 10].min()
  assert right < left - 200


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
  with pytest.raises(OSError, match='nowhere'):
    picture.write(str(tmp_path / 'nowhere' / 'actors.png'),
                  {'rate': {'': {1: rounds.Sample([1.0])}}}, '')
