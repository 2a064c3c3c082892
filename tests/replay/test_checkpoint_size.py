"""What a checkpoint of replay will need, by hand, and what is refused."""

import collections
import pathlib
import re

from acme import specs
import numpy as np
import pytest

from apex_tf import checkpoint_directory
from apex_tf import config as config_lib
from apex_tf.replay import checkpoint_size

_NUMBER = specs.Array((), np.float32)
# One frame of 4 numbers, and one number as the action: 32 bytes a transition.
_SPEC = specs.EnvironmentSpec(specs.Array((1, 4), np.float32),
                              specs.DiscreteArray(2), _NUMBER, _NUMBER)
_Usage = collections.namedtuple('_Usage', 'total used free')


@pytest.fixture
def config():
  result = config_lib.Config()
  result.replay.capacity = 1_000_000
  result.replay.checkpoint_minutes = 30.0
  return result


@pytest.fixture
def disk(monkeypatch):
  """Has the disk that many bytes free."""
  asked = []

  def have(free):
    monkeypatch.setattr(
        checkpoint_size.shutil, 'disk_usage',
        lambda path: asked.append(path) or _Usage(free, 0, free))
    return asked

  return have


def test_projection_by_hand(config):
  # One frame to a stack: 64 + 3 * 18 bytes an item, 16 + 16 of numbers.
  projection = checkpoint_size.project(config, _SPEC)
  assert projection.table_bytes == 118e6
  assert projection.bytes == 150e6
  assert projection.waiting_seconds == pytest.approx(20.0)
  assert projection.seconds == pytest.approx(21.5)
  assert checkpoint_size.describe(config, projection) == (
      'Replay checkpoints: up to 150 MB, in about 21 s, of which inserts and '
      'samples wait 20 s; every 30 min and at the end')
  # What was seen with 20,000 of CartPole's: 107 and 38 bytes each.
  assert 107 <= projection.table_bytes / 1e6 <= 1.3 * 107
  assert projection.bytes / 1e6 >= 107 + 38
  # And of Pong's, in chunks of 8: 118 and 394.
  config.environment.num_frames_stacked = 4
  pong = specs.EnvironmentSpec(specs.Array((4, 84, 84), np.uint8),
                               specs.DiscreteArray(6), _NUMBER, _NUMBER)
  assert checkpoint_size.project(config, pong).bytes / 1e6 >= 118 + 394


def test_none_are_projected_where_there_are_none(config, tmp_path):
  config.replay.checkpoint_minutes = 0.0
  config.replay.capacity = 10**9
  assert checkpoint_size.check(config, _SPEC, [str(tmp_path)], True) is None


def test_too_many_items_for_one_message_are_refused(config, tmp_path, disk):
  disk(10**15)
  config.replay.checkpoint_minutes = 600.0
  config.replay.capacity = (2**31 - 1) // 118
  assert checkpoint_size.check(config, _SPEC, [str(tmp_path)], True) is not None
  config.replay.capacity += 1
  with pytest.raises(ValueError) as error:
    checkpoint_size.check(config, _SPEC, [str(tmp_path)], True)
  assert str(error.value) == (
      'replay.capacity is 18199014, but must be at most 18,199,013 with '
      'replay.checkpoint_minutes 600: Reverb writes all items as one message '
      'of at most 2.1 GB, and these are 2.1 GB')


def test_more_than_the_disk_has_is_refused(config, tmp_path, disk):
  asked = disk(300_000_000)
  directory = str(tmp_path / 'not' / 'there')
  assert checkpoint_size.check(config, _SPEC, [directory], True) is not None
  assert asked == [str(tmp_path)]
  disk(299_999_000)
  with pytest.raises(ValueError) as error:
    checkpoint_size.check(config, _SPEC, [directory], True)
  assert str(error.value) == (
      'replay.checkpoint_minutes is 30.0, but must be 0 (none) here: with a '
      'full replay, two checkpoints of 150 MB each have to fit, and 300 MB of '
      'the disk are free')
  # One that is there already makes room for the next but one.
  checkpoint_directory.CheckpointDirectory(directory).save(
      1, lambda path: pathlib.Path(path, 'data').write_bytes(bytes(2000)))
  assert checkpoint_size.check(config, _SPEC, [directory], True) is not None


def test_a_period_of_mostly_waiting_is_refused(config, tmp_path, disk):
  disk(10**15)
  config.replay.checkpoint_minutes = 0.7
  assert checkpoint_size.check(config, _SPEC, [str(tmp_path)], True) is not None
  config.replay.checkpoint_minutes = 0.6
  with pytest.raises(ValueError) as error:
    checkpoint_size.check(config, _SPEC, [str(tmp_path)], True)
  assert str(error.value) == (
      'replay.checkpoint_minutes is 0.6, but must be 0 (none), or at least '
      '0.67: inserts and samples wait 20 s for each checkpoint of a full '
      'replay')


def test_what_is_recommended_is_accepted(config, tmp_path, disk):
  disk(10**15)
  for capacity in (1000, 100_000, 1_234_567, 9_999_999):
    config.replay.capacity = capacity
    config.replay.min_size = 1000
    config.replay.checkpoint_minutes = 1e-9
    with pytest.raises(ValueError, match='at least') as error:
      checkpoint_size.check(config, _SPEC, [str(tmp_path)], True)
    config.replay.checkpoint_minutes = float(
      re.search(r'at least ([\d.e-]+):', str(error.value))[1])
    assert checkpoint_size.check(config, _SPEC, [str(tmp_path)], True)


def test_an_old_run_that_is_moved_aside_makes_no_room(config, tmp_path, disk):
  disk(299_999_000)
  checkpoint_directory.CheckpointDirectory(str(tmp_path)).save(
      1, lambda path: pathlib.Path(path, 'data').write_bytes(bytes(2000)))
  assert checkpoint_size.check(config, _SPEC, [str(tmp_path)], True)
  with pytest.raises(ValueError, match='two checkpoints of 150 MB'):
    checkpoint_size.check(config, _SPEC, [str(tmp_path)], False)


def test_state_of_another_version_is_an_error(tmp_path):
  checkpoint_size.write_state(str(tmp_path), 3)
  assert checkpoint_size.read_state(str(tmp_path)) == 3
  path = tmp_path / 'replay.json'
  for other in ('{"size": 3}', '[3]'):
    path.write_text(other)
    with pytest.raises(ValueError, match='another version'):
      checkpoint_size.read_state(str(tmp_path))
  path.unlink()
  with pytest.raises(OSError):
    checkpoint_size.read_state(str(tmp_path))
