"""What roles have written is read back; what is damaged is named."""

import struct

import numpy as np
import pytest
import tensorflow as tf

from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.reports import event_files

_STEPS = (3, 5, 8)


def _write(directory, steps=_STEPS, scale=1.0):
  logger = metrics_lib.MetricsLogger(str(directory), 'learner')
  for step in steps:
    logger.write({'step': step, 'loss': scale * step, 'mean_q': -0.5 * step})
  logger.close()


def _only_file(directory):
  (path,) = directory.iterdir()
  return path


def _record_offsets(data):
  """Where records begin: length, its checksum, content, its checksum."""
  offsets, at = [], 0
  while at < len(data):
    offsets.append(at)
    at += 8 + 4 + struct.unpack_from('<Q', data, at)[0] + 4
  return offsets


def test_all_points_are_read(tmp_path):
  _write(tmp_path)
  events = event_files.read_role(str(tmp_path))
  assert set(events.series) == {'loss', 'mean_q', 'failed_writes'}
  np.testing.assert_array_equal(events.series['loss'].steps, _STEPS)
  np.testing.assert_array_equal(events.series['loss'].values, _STEPS)
  np.testing.assert_array_equal(events.series['mean_q'].values,
                                [-1.5, -2.5, -4.0])
  times = events.series['loss'].times
  assert (np.diff(times) > 0).all()
  ((begin, end),) = events.spans
  assert begin <= times[0] and times[-1] <= end


def test_files_are_joined_in_the_order_of_their_time(tmp_path):
  _write(tmp_path)
  first = _only_file(tmp_path)
  _write(tmp_path, (6, 7), scale=10.0)
  # By name, the older one comes last.
  first.rename(tmp_path / 'z.tfevents')
  (tmp_path / 'notes.txt').write_text('not an event file')
  events = event_files.read_role(str(tmp_path))
  np.testing.assert_array_equal(events.series['loss'].values,
                                [3, 5, 8, 60, 70])
  assert len(events.spans) == 2
  assert events.spans[0][1] <= events.spans[1][1]


def test_no_files_and_empty_files(tmp_path):
  assert event_files.read_role(str(tmp_path)) == event_files.NO_EVENTS
  (tmp_path / 'a.tfevents').write_bytes(b'')
  assert event_files.read_role(str(tmp_path)) == event_files.NO_EVENTS


def test_a_last_record_that_breaks_off_anywhere_is_left_out(tmp_path):
  _write(tmp_path)
  path = _only_file(tmp_path)
  data = path.read_bytes()
  last = _record_offsets(data)[-1]
  whole = event_files.read_role(str(tmp_path)).series
  for end in range(last, len(data)):
    path.write_bytes(data[:end])
    series = event_files.read_role(str(tmp_path)).series
    # Of the last point, the last of its metrics is gone.
    assert sum(len(s.values) for s in series.values()) == (
        sum(len(s.values) for s in whole.values()) - 1), end


@pytest.mark.parametrize('record', [0, 4, -1])
@pytest.mark.parametrize('part', ['length', 'its checksum', 'content',
                                  'content checksum'])
def test_a_flipped_bit_is_named(tmp_path, record, part):
  _write(tmp_path)
  path = _only_file(tmp_path)
  data = bytearray(path.read_bytes())
  begin = _record_offsets(data)[record]
  end = begin + 8 + 4 + struct.unpack_from('<Q', data, begin)[0]
  data[{'length': begin + 1, 'its checksum': begin + 9, 'content': begin + 15,
        'content checksum': end + 2}[part]] ^= 16
  path.write_bytes(data)
  with pytest.raises(ValueError) as caught:
    event_files.read_role(str(tmp_path))
  message = str(caught.value)
  assert message.startswith(f'{path} is a corrupt event file: ')
  assert 'corrupted record at' in message


@pytest.mark.parametrize('tail', [bytes(40), b'hello, this is no record'])
def test_what_is_no_record_is_named(tmp_path, tail):
  _write(tmp_path)
  path = _only_file(tmp_path)
  path.write_bytes(path.read_bytes() + tail)
  with pytest.raises(ValueError, match=f'^{path} is a corrupt event file'):
    event_files.read_role(str(tmp_path))


def test_records_that_are_no_points_are_named(tmp_path):
  path = tmp_path / 'a.tfevents'
  with tf.io.TFRecordWriter(str(path)) as writer:
    writer.write(b'\xff\xff\xff not an event')
  with pytest.raises(ValueError, match=f'^{path} is a corrupt event file: a '
                     'record is not an event'):
    event_files.read_role(str(tmp_path))
  path.unlink()
  with tf.summary.create_file_writer(str(tmp_path)).as_default():
    tf.summary.write('learner/loss', tf.zeros([2]), step=1)
    tf.summary.flush()
  with pytest.raises(ValueError, match="'learner/loss' is not a scalar"):
    event_files.read_role(str(tmp_path))


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
  (tmp_path / 'a.tfevents').mkdir()
  with pytest.raises(ValueError, match=f'^{tmp_path}/a.tfevents '):
    event_files.read_role(str(tmp_path))
