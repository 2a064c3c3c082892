"""The projected memory of a full replay, against what was measured."""

import subprocess
import sys

from acme import specs
import numpy as np
import psutil
import pytest

from apex_tf import config as config_lib
from apex_tf.replay import footprint


def _spec(shape, dtype, action=None):
  action = specs.DiscreteArray(4) if action is None else action
  number = specs.Array((), np.float32)
  return specs.EnvironmentSpec(
      specs.Array(shape, dtype), action, number, number)


_PICTURES = _spec((4, 84, 84, 1), np.uint8)


@pytest.mark.parametrize('spec, measured', [
    # Bytes for each of 20,000 transitions, on a server of its own.
    (_spec((1, 4), np.float32), 1314),  # CartPole.
    (_spec((1, 10, 10, 4), np.bool_), 1353),  # MinAtar Breakout.
    (_spec((1, 10, 10, 6), np.bool_), 1348),  # MinAtar Space Invaders.
    (_PICTURES, 1708),  # Pong; the others of 4000, less 145 as Pong has more.
    (_PICTURES, 1768),  # Breakout.
    (_PICTURES, 2106),  # Seaquest.
    (_PICTURES, 2420),  # Ms Pacman.
])
def test_within_25_percent_of_what_was_measured(spec, measured):
  replay = config_lib.ReplayConfig(capacity=1000)
  each = footprint.project(replay, spec).bytes_each
  assert 0.75 * measured <= each <= 1.25 * measured


def test_a_frame_counts_once_and_an_action_in_full():
  replay = config_lib.ReplayConfig()
  one, four = (footprint.project(replay, _spec((stack, 50), np.float32))
               for stack in (1, 4))
  assert one == four
  wide = footprint.project(replay, _spec(
      (1, 50), np.float32, specs.BoundedArray((21,), np.float32, -1.0, 1.0)))
  assert wide.bytes_each - one.bytes_each == 4 * 20  # Instead of one number.
  wider = footprint.project(replay, _spec((1, 150), np.float32))
  assert wider.bytes_each - one.bytes_each == 4 * 100


def test_prioritized_eviction_needs_a_little_more():
  replay = config_lib.ReplayConfig(capacity=1001, eviction='prioritized')
  assert footprint.project(replay, _PICTURES).transitions == 1022


def test_checkpoints_need_more():
  replay = config_lib.ReplayConfig(capacity=1000)
  without = footprint.project(replay, _PICTURES)
  replay.checkpoint_minutes = 30.0
  needed = footprint.project(replay, _PICTURES)
  assert needed.bytes == without.bytes + 1_050_000
  assert str(needed) == (
      'about 3 MB when full (1,000 transitions of 2.1 kB, and 1.1 kB while '
      'they are saved)')


def test_it_says_what_it_needs():
  needed = footprint.Footprint(2_000_000, 2127.0, 800.0)
  assert str(needed) == (
      'about 4.3 GB when full (2,000,000 transitions of 2.1 kB)')
  small = footprint.Footprint(20_000, 1312.0, 32.0)
  assert str(small).startswith('about 26 MB ')


def test_more_than_the_share_of_the_memory_is_refused(monkeypatch):
  config = config_lib.Config()
  each = footprint.project(config.replay, _PICTURES).bytes_each
  config.replay.capacity = 1000
  config.run.max_memory_share = 0.5
  monkeypatch.setattr(footprint, 'memory_bytes', lambda: int(2000 * each) + 1)
  assert footprint.check(config, _PICTURES).transitions == 1000
  config.replay.capacity = 1001
  with pytest.raises(ValueError) as error:
    footprint.check(config, _PICTURES)
  assert str(error.value) == (
      'replay.capacity is 1001, but must be at most 1,000 here: replay will '
      'need about 2 MB when full (1,001 transitions of 2.1 kB), and '
      "run.max_memory_share 0.5 of this machine's 4 MB is 2 MB")


def test_the_machines_memory_without_control_groups(tmp_path):
  assert footprint.memory_bytes(str(tmp_path)) == (
      psutil.virtual_memory().total)


@pytest.mark.parametrize('groups, limits, expected', [
    ('0::/\n', {'memory.max': '1000\n'}, 1000),
    ('0::/a/b\n', {'a/b/memory.max': 'max\n', 'a/memory.max': '500'}, 500),
    ('4:cpu,memory:/x\n3:cpuset:/\n0::/\n',
     {'memory/memory.limit_in_bytes': '9223372036854771712',
      'memory/x/memory.limit_in_bytes': '700'}, 700),
    ('4:cpu:/x\n', {'memory/x/memory.limit_in_bytes': '700'}, None),
    ('0::/\n', {'memory.max': 'max\n'}, None),
])
def test_a_lower_limit_of_the_control_group_counts(
    tmp_path, groups, limits, expected):
  (tmp_path / 'proc/self').mkdir(parents=True)
  (tmp_path / 'proc/self/cgroup').write_text(groups)
  for name, text in limits.items():
    path = tmp_path / 'sys/fs/cgroup' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
  assert footprint.memory_bytes(str(tmp_path)) == (
      expected or psutil.virtual_memory().total)


def test_tensorflow_is_not_imported():
  code = ('import sys; from apex_tf.replay import footprint; '
          'print({"tensorflow", "reverb"} & set(sys.modules))')
  assert subprocess.run(
      [sys.executable, '-c', code], capture_output=True, text=True,
      check=True).stdout == 'set()\n'
