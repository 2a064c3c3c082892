"""Checkpoints of a real table: what is restored is what was saved."""

import os
import pathlib
import resource

from absl import logging
import pytest
import reverb
from reverb.cc.checkpointing import checkpoint_pb2
import tensorflow as tf

from apex_tf import config as config_lib
from apex_tf.replay import checkpoint
from apex_tf.replay import checkpoint_size
from apex_tf.replay import layout
from apex_tf.replay import tables
from tests import scripted_environment
from tests import transition_oracle

_SCRIPT = scripted_environment.Script([[
    scripted_environment.Episode((0.0,))]])
_SPEC = scripted_environment.ScriptedEnvironment(_SCRIPT).spec()
_NUMBER = 60


def _table(**fields):
  config = config_lib.ReplayConfig(**{
      'capacity': 100, 'min_size': 1, 'priority_exponent': 0.6, **fields})
  return tables.make_tables(config, _SPEC)[0]


class _Replay:
  """A server made by a checkpointer, and ended by the test."""

  def __init__(self, path, minutes=1.0, clock=None, **fields):
    arguments = [] if clock is None else [clock]
    self.checkpointer = checkpoint.ReplayCheckpointer(path, minutes, *arguments)
    self.server = self.checkpointer.make_server(_table(**fields), None)
    self.client = reverb.Client(f'localhost:{self.server.port}')

  @property
  def info(self):
    return self.client.server_info()[layout.TABLE]

  def fill(self, priorities):
    adder = transition_oracle.make_adder(self.client, _SCRIPT, n_step=1)
    transition_oracle.add_known_priorities(adder, priorities)
    adder.close()

  def items(self):
    """Everything in the table, drawn until there is no more: key to item."""
    found = {}
    while len(found) < self.info.current_size:
      for item in transition_oracle.sample(self.client, 200):
        found[item.info.key] = (
            item.info.priority, item.action, item.n_step_return,
            item.learner_step, item.observation_tm1.tobytes(),
            item.observation_t.tobytes())
    return found


@pytest.fixture
def path(tmp_path):
  return str(tmp_path / 'checkpoints' / 'replay')


@pytest.fixture
def start(path):
  """Makes replays in one directory, one after the other."""
  started = []

  def make(**kwargs):
    if started:
      started[-1].server.stop()
    started.append(_Replay(path, **kwargs))
    return started[-1]

  yield make
  started[-1].server.stop()


@pytest.fixture
def log(monkeypatch):
  messages = []
  for level in ('info', 'error'):
    monkeypatch.setattr(
        logging, level, lambda text, *args: messages.append(text % args))
  return messages


def _tree(path):
  """Of the directory of all checkpoints."""
  return sorted(os.listdir(os.path.dirname(path))), sorted(os.listdir(path))


def test_restored_is_what_was_saved(start, path, log):
  replay = start()
  replay.fill([1.0 + number / 10 for number in range(_NUMBER)])
  # As the learner does: sampled, and given other priorities.
  keys = [found.info.key for found in transition_oracle.sample(
      replay.client, 30)]
  replay.client.mutate_priorities(
      layout.TABLE, updates={key: 3.5 for key in keys})
  saved, before = replay.items(), replay.info
  assert replay.checkpointer.save()
  assert _tree(path) == (['replay'], ['000000000001'])
  assert log[-1].startswith(f'Saved replay: {_NUMBER} transitions in ')

  again = start()
  assert log[-1] == (f'Restored {_NUMBER} transitions of replay, of {_NUMBER} '
                     f'ever inserted, from {path}/000000000001.')
  limiter = again.info.rate_limiter_info
  assert limiter.insert_stats.completed == _NUMBER
  assert limiter.sample_stats.completed == (
      before.rate_limiter_info.sample_stats.completed)
  assert again.items() == saved
  # The oldest leave first, as they would have.
  again.fill([1.0] * 50)  # 10 more than there is room for.
  left = again.items()
  assert len(left) == 100
  assert sorted(item[1] for key, item in left.items()
                if key in saved) == list(range(10, _NUMBER))


def test_the_next_one_takes_its_place(start, path):
  replay = start()
  for _ in range(2):
    replay.fill([1.0] * 10)
    assert replay.checkpointer.save()
  assert _tree(path)[1] == ['000000000002']
  assert start().info.current_size == 20


def _saved_table(file):
  """The transitions of a checkpoint, as Reverb writes them."""
  found = [checkpoint_pb2.PriorityTableCheckpoint.FromString(record.numpy())
           for record in tf.data.TFRecordDataset(str(file))]
  table, = (each for each in found if each.table_name == layout.TABLE)
  return table


def test_two_that_are_full_are_told_apart(start, path, log):
  replay = start()
  for completed in (100, 130):
    replay.fill([1.0] * (completed - replay.info.rate_limiter_info
                         .insert_stats.completed))
    assert replay.checkpointer.save()
    file, = pathlib.Path(path).glob('*/tables.tfrecord')
    saved = _saved_table(file)
    replay = start()
    assert log[-1] == (
        f'Restored 100 transitions of replay, of {completed} ever inserted, '
        f'from {file.parent}.')
    assert (len(saved.items), saved.rate_limiter.insert_count) == (
        100, completed)


def test_without_checkpoints_nothing_is_saved_or_restored(start, path, log):
  replay = start()
  replay.fill([1.0] * 10)
  assert replay.checkpointer.save()
  replay = start(minutes=0.0)
  assert log[-1] == 'Replay is empty.'
  assert replay.info.current_size == 0
  assert not replay.checkpointer.save()
  assert _tree(path) == (['replay'], ['000000000001'])
  assert start().info.current_size == 10


def test_a_damaged_one_is_passed_over(start, path, log):
  replay = start()
  replay.fill([1.0] * 10)
  assert replay.checkpointer.save()
  file = pathlib.Path(path, '000000000001', 'chunks.tfrecord')
  data = bytearray(file.read_bytes())
  data[len(data) // 2] ^= 1
  file.write_bytes(data)
  replay = start()
  assert replay.info.current_size == 0
  assert 'damaged' in log[-2] and log[-1] == 'Replay is empty.'
  replay.fill([1.0] * 5)
  assert replay.checkpointer.save()
  assert _tree(path)[1] == ['000000000002']


@pytest.mark.parametrize('fields, difference', [
    ({'priority_exponent': 0.7}, 'sampler_options is prioritized { '
     'priority_exponent: 0.6 }, but must be prioritized { '
     'priority_exponent: 0.7 }'),
    ({'capacity': 90}, 'max_size is 100, but must be 90'),
    ({'min_size': 2}, 'min_size_to_sample is 1, but must be 2'),
    ({'min_size': 50, 'samples_per_insert': 4.0},
     'samples_per_insert is 1.0, but must be 4.0'),
])
def test_one_of_another_table_is_not_taken(start, log, fields, difference):
  replay = start()
  replay.fill([1.0] * 10)
  assert replay.checkpointer.save()
  replay = start(**fields)
  assert difference in log[-2] and log[-1] == 'Replay is empty.'
  assert replay.info.current_size == 0
  assert replay.info.max_size == fields.get('capacity', 100)


def test_saves_fall_due_by_a_clock_that_may_go_back(start, path):
  now = [1000.0]
  replay = start(minutes=2.0, clock=lambda: now[0])
  saved = []
  for time in (1119.0, 1120.0, 1200.0, 1240.0, 200.0, 319.0, 320.0):
    now[0] = time
    replay.checkpointer.save_if_due()
    saved.append(os.listdir(path) if os.path.isdir(path) else [])
  assert [int(names[0]) if names else 0 for names in saved] == [
      0, 1, 1, 2, 3, 3, 4]


def test_a_save_that_finds_no_room_leaves_the_one_before(start, path, log):
  replay = start()
  replay.fill([1.0] * 10)
  assert replay.checkpointer.save()
  replay.fill([1.0] * 50)
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
  try:
    assert not replay.checkpointer.save()
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
  assert 'is not saved' in log[-1]
  assert _tree(path) == (['replay'], ['000000000001'])
  # Replay is none the worse for it.
  replay.fill([1.0] * 5)
  assert replay.info.current_size == 65
  assert replay.checkpointer.save()
  assert start().info.current_size == 65


def test_what_a_killed_process_left_is_removed(start, path):
  replay = start()
  replay.fill([1.0] * 10)
  assert replay.checkpointer.save()
  for left in (f'{path}_unfinished/2026-11-22T21', f'{path}/.unfinished.x'):
    os.makedirs(left)
    pathlib.Path(left, 'chunks.tfrecord').write_bytes(b'half')
  assert start().info.current_size == 10
  assert _tree(path) == (['replay'], ['000000000001'])


@pytest.mark.parametrize('chunk_length', [1, 3, 8])
def test_an_item_takes_no_more_than_is_projected(path, chunk_length):
  """What the limit of 2 GB is compared with, see `checkpoint_size`."""
  config = config_lib.Config()
  config.environment.num_frames_stacked = 4
  config.replay.chunk_length = chunk_length
  config.replay.min_size = 1
  script = scripted_environment.Script([[
      scripted_environment.Episode((1.0,) * 40)]], num_stacked=4)
  environment = scripted_environment.ScriptedEnvironment(script)
  checkpointer = checkpoint.ReplayCheckpointer(path, 1.0)
  server = checkpointer.make_server(
      tables.make_tables(config.replay, environment.spec())[0], None)
  client = reverb.Client(f'localhost:{server.port}')
  adder = transition_oracle.make_adder(
      client, script, chunk_length=chunk_length)
  transition_oracle.play(environment, adder, 100)
  adder.reset()
  transition_oracle.sample(client, 2000)
  assert checkpointer.save()
  server.stop()
  table = _saved_table(f'{path}/000000000001/tables.tfrecord')
  assert len(table.items) > 60
  # With the tag and the length before it.
  longest = max(item.ByteSize() for item in table.items) + 3
  assert longest <= checkpoint_size.item_bytes(config) <= 1.3 * longest
