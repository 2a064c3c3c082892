"""The arithmetic of the paper's load."""

import pytest

from apex_tf.benchmarks import program_suites


def test_the_papers_load_in_cores():
  cores = program_suites._paper_cores({
      'write cpu_seconds': 200.0, 'write server_cpu_seconds': 40.0,
      'sample cpu_seconds': 100.0, 'sample server_cpu_seconds': 20.0})
  # 12,500 inserts and 9,728 samples a second.
  assert cores['replay server'] == pytest.approx(0.5 + 0.19456)
  assert cores["learner's input pipeline"] == pytest.approx(0.9728)
  assert cores['replay server and input pipeline'] == pytest.approx(
      0.69456 + 0.9728)
  assert cores['writing of all actors'] == pytest.approx(2.5)
