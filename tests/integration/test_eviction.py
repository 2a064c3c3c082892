"""A whole run, in one process, whose replay evicts by priority."""

import pytest

from apex_tf import builder as builder_lib
from apex_tf import serial as serial_lib
from apex_tf.monitoring import opening
from configs import cartpole

_CAPACITY = 600


def _config(eviction):
  config = cartpole.get_config()
  config.agent.n_step = 3
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  config.replay.capacity = _CAPACITY
  config.replay.min_size = 200
  config.replay.samples_per_insert = 4.0
  config.replay.eviction = eviction
  config.actor.num_actors = 1
  config.actor.environments_per_actor = 2
  config.learner.batch_size = 16
  config.validate()
  return config


@pytest.mark.parametrize('eviction', ['fifo', 'prioritized'])
def test_replay_stays_at_its_capacity(tmp_path, eviction):
  directory = opening.prepare(str(tmp_path / 'run'), 'auto')
  serial = serial_lib.SerialRun(_config(eviction), directory)
  sizes = []
  while serial.learner.num_steps < 250:
    serial.act()
    serial.learn()
    if serial.learner.num_steps % 20 == 0:
      serial.report()
      sizes.append(directory.read_status().replay.size)
  serial.report()
  status = directory.read_status()
  evicted = serial.learner.metrics()['items_evicted']
  serial.close()
  surplus = status.replay.inserts - _CAPACITY
  assert surplus > 500
  assert status.replay.capacity == _CAPACITY
  if eviction == 'fifo':
    assert (max(sizes), evicted) == (_CAPACITY, 0)
  else:
    # It sweeps at 1 %, so that the table, at 2 %, had nothing to remove.
    assert _CAPACITY <= max(sizes) < _CAPACITY * 1.02
    assert evicted == status.replay.inserts - status.replay.size


def test_a_table_that_removes_the_oldest_needs_no_evictor():
  assert builder_lib.Builder(_config('fifo')).make_evictor(None) is None
