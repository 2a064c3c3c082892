"""The picture of throughput against actors."""

from matplotlib import image
import pytest

from apex_tf.benchmarks import picture
from apex_tf.benchmarks import rounds


def test_more_is_higher(tmp_path):
  path = tmp_path / 'actors.png'
  picture.write_actor_counts(
      str(path), {4: rounds.Sample([400.0, 420.0, 390.0]),
                  1: rounds.Sample([100.0])}, 'here')
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
    picture.write_actor_counts(
        str(tmp_path / 'nowhere' / 'actors.png'), {1: rounds.Sample([1.0])}, '')
