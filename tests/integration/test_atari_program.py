"""Whole programs of pictures, started as from a shell."""

import subprocess
import sys

import imageio.v2 as imageio
import pytest

from tests.integration import programs

_FLAGS = ('--config.environment.game=pong', '--config.run.max_learner_steps=20',
          '--config.environment.evaluation_max_episode_frames=400',
          '--config.run.target_return=inf', '--config.evaluator.max_seconds=1',
          '--config.evaluator.num_environments=1')


@pytest.mark.parametrize('flags', [(), ('--serial',)])
def test_pong_learns(tmp_path, flags):
  """Its pictures go through a graph that calls another, in every role."""
  workdir = tmp_path / 'run'
  program = programs.Program(workdir, [*_FLAGS, *flags], preset='atari_small')
  ended = program.wait()
  assert ended.code == 0, ended
  summary = programs.read_json(workdir / 'summary.json')
  assert summary['learner_steps'] == 20
  if flags:
    _watch(workdir, tmp_path / 'film.gif')


def _watch(workdir, film):
  """Plays what was learned, and films it."""
  result = subprocess.run(
      [sys.executable, '-m', 'launch.evaluate', f'--workdir={workdir}',
       '--episodes=1', f'--video={film}'], cwd=programs.ROOT,
      env=programs.shell_environment(), capture_output=True, text=True,
      check=False, timeout=programs.PATIENCE_SECONDS)
  assert result.returncode == 0, result.stderr
  evaluation = programs.read_json(workdir / 'evaluation.json')
  # Random play comes to -20.7 in a whole game, and humans to 14.6.
  assert evaluation['human_normalized_score'] == pytest.approx(
      100 * (evaluation['mean'] + 20.7) / (14.6 + 20.7))
  assert '% of human) over 1 episode' in result.stdout
  with imageio.get_reader(film) as reader:
    pictures = list(reader)
  assert pictures[0].shape[:2] == (210, 160)  # The emulator's.
  assert 10 < len(pictures) <= 101  # Of 400 frames, each fourth at most.
