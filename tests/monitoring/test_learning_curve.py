"""The picture of a run: drawn, and looked at pixel by pixel."""

import math
import os

import numpy as np
from PIL import Image
import pytest

from apex_tf.monitoring import learning_curve

_LINE = (31, 95, 168)
_FINAL = (217, 72, 15)
_TARGET = (179, 84, 30)


def _draw(tmp_path, status, config):
  path = str(tmp_path / 'learning_curve.png')
  learning_curve.write_learning_curve(path, status, config)
  assert os.listdir(tmp_path) == ['learning_curve.png']
  with Image.open(path) as image:
    assert image.format == 'PNG'
    assert image.size == (1500, 660)
    return np.asarray(image.convert('RGB')).astype(int)


def _pixels(picture, color):
  """Rows and columns of the pixels of a color, of either half."""
  near = np.abs(picture - np.array(color)).sum(axis=-1) <= 12
  return [np.argwhere(near[:, :750]), np.argwhere(near[:, 750:])]


def test_a_rising_run(tmp_path, status, config, evaluation):
  status.evaluations.append(evaluation(3, [500.0] * 20, final=True))
  picture = _draw(tmp_path, status, config)
  for panel in (0, 1):
    line = _pixels(picture, _LINE)[panel]
    assert len(line) > 300
    # It begins low and reaches high; rows count from the top.
    left = line[line[:, 1] == line[:, 1].min()][:, 0].mean()
    assert line[:, 0].min() < left - 200
    assert len(_pixels(picture, _TARGET)[panel]) > 300
    assert len(_pixels(picture, _FINAL)[panel]) > 100  # The star.


def test_without_target_and_final_evaluation(tmp_path, status, config):
  config.run.target_return = math.inf
  picture = _draw(tmp_path, status, config)
  for panel in (0, 1):
    assert len(_pixels(picture, _LINE)[panel]) > 300
    assert not len(_pixels(picture, _TARGET)[panel])
    assert not len(_pixels(picture, _FINAL)[panel])


@pytest.mark.parametrize('count', [0, 1, 150])
def test_any_number_of_evaluations(tmp_path, status, config, evaluation, count):
  status.evaluations = [
      evaluation(i, [float(i), 2.0 * i, 3.0 * i]) for i in range(count)]
  picture = _draw(tmp_path, status, config)
  dark = (picture.sum(axis=-1) < 384).mean()
  assert 0.003 < dark < 0.3
  drawn = [len(p) for p in _pixels(picture, _LINE)]
  assert all(n == 0 for n in drawn) if count == 0 else all(
      n > 20 for n in drawn)


def test_evaluations_without_an_episode_are_left_out(
    tmp_path, status, config, evaluation):
  whole = _draw(tmp_path, status, config)
  status.evaluations.insert(1, evaluation(0, []))
  np.testing.assert_array_equal(_draw(tmp_path, status, config), whole)


def test_returns_that_are_not_finite_do_not_spoil_it(
    tmp_path, status, config, evaluation):
  status.evaluations.append(
      evaluation(3, [math.nan, 500.0, math.inf], mean=500.0, std=0.0,
                 final=True, human_normalized=120.0))
  assert len(_pixels(_draw(tmp_path, status, config), _LINE)[0]) > 300
