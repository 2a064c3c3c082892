"""The memory of a stored transition, in frames against full stacks."""

import importlib
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import reverb

from apex_tf import environments
from apex_tf.replay import layout
from configs import cartpole

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


def _items(serve, whole_stacks):
  """All items of random play, each once."""
  replay_memory = importlib.import_module('launch.replay_memory')
  config = cartpole.get_config()
  config.environment.num_frames_stacked = 3
  server = serve([reverb.Table(
      layout.TABLE, reverb.selectors.Fifo(), reverb.selectors.Fifo(), 10_000,
      reverb.rate_limiters.MinSize(1), max_times_sampled=1,
      signature=layout.make_signature(
          replay_memory.make_spec(config, whole_stacks)))])
  client = server.localhost_client()
  writer = replay_memory.Writer(client, config, whole_stacks)
  environment = environments.make_environment(config.environment, 8, seed=1)
  rng = np.random.default_rng(1)
  action = np.zeros(8, np.int32)
  writer.add(action, environment.reset())
  for _ in range(60):
    action = rng.integers(2, size=8, dtype=np.int32)
    writer.add(action, environment.step(action))
  items = {}
  for _ in range(writer.finish()):
    (sample,) = client.sample(
        layout.TABLE, 1, emit_timesteps=False, unpack_as_table_signature=True)
    ends = [sample.data[name].tobytes() for name in (
        layout.OBSERVATION_TM1, layout.OBSERVATION_T, layout.STEP)]
    items[tuple(ends)] = sample.info.priority
  return items


def test_both_layouts_hold_the_same_items(serve):
  items = _items(serve, whole_stacks=False)
  assert len(items) > 300  # Of 480 steps, less resets and what is unfinished.
  assert _items(serve, whole_stacks=True) == items


def test_unknown_game():
  result = _run('--game=pongg')
  assert result.returncode == 2
  assert result.stderr.startswith(
      "replay_memory.py: environment.game is 'pongg', but must be")
  assert result.stderr.count('\n') == 1
  assert result.stdout == ''
