"""Reads films back."""

import pathlib
from typing import List, Tuple

import imageio.v2 as imageio
import numpy as np


def read(path: pathlib.Path) -> Tuple[List[np.ndarray], float]:
  """Frames `<uint8>[height, width, 3]`, and frames per second."""
  with imageio.get_reader(path) as reader:
    frames = [np.asarray(frame)[..., :3] for frame in reader]
    data = reader.get_meta_data()
  return frames, data.get('fps') or 1000 / data['duration']
