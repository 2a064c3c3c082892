"""Whole programs of pictures, started as from a shell."""

import pytest

from tests.integration import programs

_FLAGS = ('--config.environment.game=pong', '--config.run.max_learner_steps=20',
          '--config.run.target_return=inf', '--config.evaluator.max_seconds=1',
          '--config.evaluator.num_environments=1')


@pytest.mark.parametrize('flags', [(), ('--serial',)])
def test_pong_learns(tmp_path, flags):
  """Its pictures go through a graph that calls another, in every role."""
  program = programs.Program(
      tmp_path / 'run', [*_FLAGS, *flags], preset='atari_small')
  ended = program.wait()
  assert ended.code == 0, ended
  summary = programs.read_json(tmp_path / 'run' / 'summary.json')
  assert summary['learner_steps'] == 20
