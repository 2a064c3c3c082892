"""Fixtures of runs whose roles are processes of their own."""

import pathlib
from typing import Callable, Iterator

import pytest

from tests.cluster import roles


@pytest.fixture
def make_cluster(
    tmp_path: pathlib.Path) -> Iterator[Callable[..., roles.Cluster]]:
  """Makes clusters in `tmp_path`; ends what is left of them."""
  made = []

  def make(*flags: str) -> roles.Cluster:
    made.append(roles.Cluster(tmp_path, [*roles.programs.SMALL, *flags]))
    return made[-1]

  yield make
  for cluster in made:
    cluster.close()
