"""A policy as a file: the same bits again, or a clear error."""

import io
import pathlib
import pickle
import re
import threading

import numpy as np
import pytest
import tensorflow as tf

from apex_tf import saved_policy
from apex_tf import variables as variables_lib

_NAMES = [variables_lib.LEARNER_STEP, variables_lib.POLICY]

# More than ten, so that an order by name would show; and odd ones.
_VALUES = [
    *(np.full(3, index, np.float32) for index in range(12)),
    np.array([[-0.0, np.inf], [np.nan, 1e-45]], np.float32),
    np.array(2.5, np.float64),
    np.zeros((0, 4), np.float32),
    np.arange(6, dtype=np.int64).reshape(2, 3).T,
]


class _Source:
  """A learner, as far as a saver knows it."""

  def __init__(self, variables):
    self._publisher = variables_lib.VariablePublisher(variables)
    self.publish = self._publisher.publish
    self.publish_kept = self._publisher.publish_kept
    self.get_variables = self._publisher.get_variables
    self.get_and_keep_variables = self._publisher.get_and_keep_variables


@pytest.fixture
def path(tmp_path):
  return str(tmp_path / 'policy.npz')


def _client(source, variables):
  return variables_lib.VariableClient(
      variables_lib.KeptVariables(source), variables, update_period=0)


def _npz(**arrays):
  buffer = io.BytesIO()
  np.savez(buffer, **arrays)
  return buffer.getvalue()


def test_round_trip_bit_for_bit(path):
  saved_policy.write(path, 2**40, _VALUES)
  policy = saved_policy.SavedPolicy(path)
  step, values = policy.get_variables(_NAMES)
  assert step == policy.learner_step == 2**40
  assert len(values) == len(_VALUES)
  for value, expected in zip(values, _VALUES):
    assert (value.dtype, value.shape) == (expected.dtype, expected.shape)
    assert value.tobytes() == expected.tobytes()
  assert policy.get_variables([variables_lib.POLICY])[0] is values


def test_a_client_copies_it_like_a_learners(path):
  variables = [tf.Variable([1.0, 2.0]), tf.Variable([[3.0]])]
  source = _Source(variables)
  source.publish(7)
  saved_policy.PolicySaver(source, path).save()
  others = [tf.Variable([0.0, 0.0]), tf.Variable([[0.0]])]
  policy = saved_policy.SavedPolicy(path)
  client = _client(policy, others)
  policy.copy_to(client)
  assert client.learner_step == 7
  assert [v.numpy().tolist() for v in others] == [[1.0, 2.0], [[3.0]]]


@pytest.mark.parametrize('variables', [
    [tf.Variable([1.0, 2.0])],
    [tf.Variable([1.0, 2.0, 3.0]), tf.Variable([[3.0]])],
    [tf.Variable([[3.0]]), tf.Variable([1.0, 2.0])],
], ids=['number', 'shape', 'order'])
def test_another_policys_variables(path, variables):
  saved_policy.write(path, 5, [np.float32([1, 2]), np.float32([[3]])])
  policy = saved_policy.SavedPolicy(path)
  with pytest.raises(ValueError, match=re.escape(path) + ' does not fit'):
    policy.copy_to(_client(policy, variables))


class _Canary:

  def __init__(self, path):
    self._path = path

  def __reduce__(self):
    return pathlib.Path.touch, (self._path,)


def test_no_pickle_is_loaded(path, tmp_path):
  canary = tmp_path / 'loaded'
  for data in (
      pickle.dumps(_Canary(canary)),
      _npz(learner_step=1, num_variables=1,
           variable_0000=np.array([_Canary(canary)], object))):
    pathlib.Path(path).write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(path)):
      saved_policy.SavedPolicy(path)
    assert not canary.exists()


def test_no_pickle_is_written(path):
  saved_policy.write(path, 3, _VALUES)
  with np.load(path, allow_pickle=False) as arrays:
    assert all(arrays[name].dtype != object for name in arrays.files)


def test_truncated_anywhere(path):
  saved_policy.write(path, 3, _VALUES)
  data = pathlib.Path(path).read_bytes()
  for size in [0, 1, 4, *range(10, len(data), 97), len(data) - 1]:
    pathlib.Path(path).write_bytes(data[:size])
    with pytest.raises(ValueError, match=re.escape(path) + ' is damaged'):
      saved_policy.SavedPolicy(path)


def test_damaged_anywhere_in_its_values(path):
  value = np.random.default_rng(0).normal(size=1000)
  saved_policy.write(path, 3, [value])
  data = bytearray(pathlib.Path(path).read_bytes())
  start = bytes(data).index(value.tobytes())
  for offset in range(start, start + value.nbytes, 501):
    data[offset] ^= 1
    pathlib.Path(path).write_bytes(data)
    with pytest.raises(ValueError, match='is damaged'):
      saved_policy.SavedPolicy(path)
    data[offset] ^= 1


@pytest.mark.parametrize('data', [
    b'{"learner_step": 3}\n',
    _npz(weights=np.zeros(3)),
    _npz(learner_step=3, num_variables=2, variable_0000=np.zeros(3)),
    _npz(learner_step=3, num_variables=1, variable_0000=np.zeros(3),
         variable_0001=np.zeros(3)),
    _npz(learner_step=[1, 2], num_variables=0),
    _npz(learner_step=3, num_variables=1, variable_0000=np.array(['a'])),
], ids=['text', 'others', 'too few', 'too many', 'two steps', 'strings'])
def test_foreign_files(path, data):
  pathlib.Path(path).write_bytes(data)
  with pytest.raises(ValueError, match=re.escape(path)):
    saved_policy.SavedPolicy(path)


def test_a_single_array(path):
  with open(path, 'wb') as file:
    np.save(file, np.zeros(3))
  with pytest.raises(ValueError, match='not an .npz file'):
    saved_policy.SavedPolicy(path)


def test_no_file(path):
  with pytest.raises(FileNotFoundError):
    saved_policy.SavedPolicy(path)


def test_a_reader_never_sees_half_a_file(path):
  values = [np.full(200_000, step, np.float32) for step in range(3)]
  saved_policy.write(path, 0, [values[0]])
  done = threading.Event()

  def write():
    for step in range(60):
      saved_policy.write(path, step % 3, [values[step % 3]])
    done.set()

  writer = threading.Thread(target=write)
  writer.start()
  while not done.is_set():
    policy = saved_policy.SavedPolicy(path)
    (value,) = policy.get_variables([variables_lib.POLICY])[0]
    assert (value == policy.learner_step).all()
  writer.join()


def test_a_failed_write_leaves_what_was_there(path, tmp_path, monkeypatch):
  saved_policy.write(path, 3, _VALUES)

  def refuse(*_):
    raise OSError('no space left')

  monkeypatch.setattr('os.replace', refuse)
  with pytest.raises(OSError, match='no space'):
    saved_policy.write(path, 4, _VALUES)
  assert saved_policy.SavedPolicy(path).learner_step == 3
  assert [file.name for file in tmp_path.iterdir()] == ['policy.npz']


def test_saver_follows_what_is_published(path):
  variable = tf.Variable([0.0])
  source = _Source([variable])
  saver = saved_policy.PolicySaver(source, path)
  saver.save()
  # Nothing has been learned yet.
  assert not pathlib.Path(path).exists()

  def saved():
    policy = saved_policy.SavedPolicy(path)
    return policy.learner_step, policy.get_variables(
        [variables_lib.POLICY])[0][0].tolist()

  variable.assign([1.0])
  source.publish(10)
  variable.assign([2.0])  # Not published.
  saver.save()
  assert saved() == (10, [1.0])
  inode = pathlib.Path(path).stat().st_ino
  saver.save()
  assert pathlib.Path(path).stat().st_ino == inode
  source.get_and_keep_variables(_NAMES)
  source.publish(20)
  saver.save()
  assert saved() == (20, [2.0])
  # An evaluation has found that the older one reached the target.
  source.publish_kept()
  saver.save()
  assert saved() == (10, [1.0])


def test_saver_logs_what_fails_and_tries_again(tmp_path, caplog):
  source = _Source([tf.Variable([1.0])])
  source.publish(10)
  directory = tmp_path / 'later'
  saver = saved_policy.PolicySaver(source, str(directory / 'policy.npz'))
  saver.save()
  (record,) = [r for r in caplog.records if r.levelname == 'ERROR']
  assert f'{directory}/policy.npz is not written' in record.getMessage()
  directory.mkdir()
  saver.save()
  assert saved_policy.SavedPolicy(
      str(directory / 'policy.npz')).learner_step == 10


def test_the_last_save_is_the_newest(path):
  """A save that is slow to write does not undo a later one."""
  slow, writing = threading.Event(), threading.Event()

  class Source:
    step = 1

    def get_variables(self, names):
      del names
      step = self.step
      if step == 1:
        writing.set()
        assert slow.wait(20)
      return [np.int64(step), [np.float32([step])]]

  source = Source()
  saver = saved_policy.PolicySaver(source, path)
  first = threading.Thread(target=saver.save)
  first.start()
  assert writing.wait(20)
  source.step = 2
  second = threading.Thread(target=saver.save)
  second.start()
  slow.set()
  first.join()
  second.join()
  assert saved_policy.SavedPolicy(path).learner_step == 2
