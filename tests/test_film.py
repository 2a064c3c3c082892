"""Film files: readable again, of every frame, and never half of one."""

import os

import imageio_ffmpeg
import numpy as np
import pytest

from apex_tf import film as film_lib
from tests import films


def test_gif_of_many_colors(tmp_path):
  """A palette for each frame: its colors are those of that frame."""
  pictures = []
  for index in range(6):
    rows, columns = np.mgrid[0:240, 0:640]
    picture = np.stack(
        [rows, columns * 0.39, np.full_like(rows, 50 * index)], axis=-1)
    picture[50:120, 60 * index:60 * index + 80] = 255, 0, 0
    pictures.append(picture.astype(np.uint8))
  film = film_lib.Film(str(tmp_path / 'a.gif'), 15.0)
  for picture in pictures:
    film.add(picture)
  film.finish()
  frames, _ = films.read(tmp_path / 'a.gif')
  assert len(frames) == 6
  for frame, picture in zip(frames, pictures):
    assert frame.shape == (120, 320, 3)
    halved = picture.reshape(120, 2, 320, 2, 3).mean(axis=(1, 3))
    assert np.abs(frame - halved).mean() < 8


def test_odd_and_small_sizes(tmp_path):
  rng = np.random.default_rng(0)
  for name, size in (('a.mp4', (51, 33)), ('b.gif', (51, 33)),
                     ('c.mp4', (10, 10))):
    film = film_lib.Film(str(tmp_path / name), 10.0)
    pictures = [rng.integers(0, 255, (1, 1, 3)).repeat(size[0], 0).repeat(
        size[1], 1).astype(np.uint8) for _ in range(5)]
    for picture in pictures:
      film.add(picture)
    film.finish()
    frames, frames_per_second = films.read(tmp_path / name)
    assert len(frames) == 5
    assert frames_per_second == pytest.approx(10)
    even = name.endswith('.mp4')
    assert frames[0].shape == (size[0] + size[0] % 2 * even,
                               size[1] + size[1] % 2 * even, 3)
    for frame, picture in zip(frames, pictures):
      inside = frame[1:size[0] - 2, 1:size[1] - 2].astype(int)
      assert np.abs(inside - picture[0, 0]).max() < 20


def test_ffmpeg_that_dies_is_an_error_and_leaves_nothing(tmp_path, capfd):
  film = film_lib.Film(str(tmp_path / 'a.mp4'), 10.0)
  with pytest.raises(film_lib.FilmError, match='a.mp4 could not be written'):
    # ffmpeg notices that this is no size.
    film.add(np.zeros((1, 70_000, 3), np.uint8))
    for _ in range(100):
      film.add(np.zeros((1, 70_000, 3), np.uint8))
    film.finish()
  film.discard()
  assert not os.listdir(tmp_path)
  capfd.readouterr()


def test_a_film_cut_short_is_an_error(tmp_path, monkeypatch):
  monkeypatch.setattr(imageio_ffmpeg, 'count_frames_and_secs',
                      lambda path: (1, 0.1))
  film = film_lib.Film(str(tmp_path / 'a.mp4'), 10.0)
  for _ in range(2):
    film.add(np.zeros((16, 16, 3), np.uint8))
  with pytest.raises(film_lib.FilmError, match='1 frames of 2 are in it'):
    film.finish()
  film.discard()
  assert not os.listdir(tmp_path)
