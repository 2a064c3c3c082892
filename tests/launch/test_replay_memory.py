"""The memory of a stored transition, in frames against full stacks."""

import os
import pathlib
import re
import subprocess
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _run(*arguments):
  return subprocess.run(
      [sys.executable, '-m', 'launch.replay_memory', *arguments],
      cwd=_ROOT, env={
          name: value for name, value in os.environ.items()
          if name not in ('TF_CPP_MIN_LOG_LEVEL', 'CUDA_VISIBLE_DEVICES')},
      capture_output=True, text=True, check=False, timeout=1200)


def test_frames_take_at_most_60_percent_of_full_stacks():
  result = _run('--game=pong', '--items=5000')
  assert result.returncode == 0, result.stderr
  # Nobody but Reverb says anything, in either process. Both write into one
  # pipe, piece by piece, so that a line may begin within a message.
  assert not re.search('tensorflow|Warning|Traceback', result.stderr), (
      result.stderr)
  numbers = {
      name: float(number) for name, number in re.findall(
          r'^([a-z ]+): +([0-9.]+)', result.stdout, re.MULTILINE)}
  assert set(numbers) == {
      'single frames', 'full stacks', 'ratio', 'checkpoint'}
  # The numbers in it, and no more than their memory.
  assert 30 < numbers['checkpoint'] < numbers['single frames']
  assert 200 < numbers['single frames'] < numbers['full stacks'] < 30_000
  assert numbers['ratio'] <= 0.6
  measured = numbers['single frames'] / numbers['full stacks']
  assert abs(numbers['ratio'] - measured) < 0.01


def test_unknown_game():
  result = _run('--game=pongg')
  assert result.returncode == 2
  assert result.stderr.startswith(
      "replay_memory.py: environment.game is 'pongg', but must be")
  assert result.stderr.count('\n') == 1
  assert result.stdout == ''
