"""The arithmetic of the paper's load."""

import pytest

from apex_tf.benchmarks import cluster_suite


def test_the_papers_load_in_cores():
  cores = cluster_suite.paper_cores({
      'write cpu_seconds': 200.0, 'write server_cpu_seconds': 40.0,
      'sample cpu_seconds': 100.0, 'sample server_cpu_seconds': 20.0,
      'cache server_cpu_seconds': 16_000.0})
  # 12,500 inserts and 9,728 samples a second.
  assert cores['replay server'] == pytest.approx(0.5 + 0.19456)
  assert cores["learner's input pipeline"] == pytest.approx(0.9728)
  assert cores['replay server and input pipeline'] == pytest.approx(
      0.69456 + 0.9728)
  assert cores['writing of all actors'] == pytest.approx(2.5)
  # 125.1 versions a second.
  assert cores['variable caches'] == pytest.approx(2.0016)
