"""Checkpoints that appear whole or not at all, with small files in them."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from apex_tf import checkpoint_directory


def _writer(*contents):
  def write(directory):
    for index, content in enumerate(contents):
      with open(os.path.join(directory, f'file_{index}'), 'w') as file:
        file.write(content)
  return write


def _save(directory, *steps):
  for step in steps:
    directory.save(step, _writer(f'a{step}', f'b{step}'))


def _content(found):
  return [open(os.path.join(found.path, f'file_{index}')).read()
          for index in range(2)]


def _steps(path):
  """Of what is there; fails where there is anything else."""
  return sorted(int(name) for name in os.listdir(path))


@pytest.fixture
def directory(tmp_path):
  return checkpoint_directory.CheckpointDirectory(str(tmp_path / 'a' / 'b'))


def test_the_newest_three_are_kept(directory):
  assert directory.find_newest() is None
  for step, expected in [(5, [5]), (9, [5, 9]), (30, [5, 9, 30]),
                         (100, [9, 30, 100]), (101, [30, 100, 101])]:
    _save(directory, step)
    assert _steps(directory.path) == expected
    assert directory.find_newest().step == step
  assert _content(directory.find_newest()) == ['a101', 'b101']
  assert os.stat(directory.path).st_mode & 0o077 == 0


def test_their_times_do_not_matter(directory):
  _save(directory, 1, 2)
  os.utime(directory.path_of(1))
  os.utime(directory.path_of(2), (0, 0))
  assert directory.find_newest().step == 2
  _save(directory, 3, 4)
  os.utime(directory.path_of(4), (0, 0))
  _save(directory, 5)
  assert _steps(directory.path) == [3, 4, 5]


def test_one_of_the_same_step_is_replaced(directory):
  _save(directory, 7, 8)
  directory.save(8, _writer('new', 'newer'))
  assert _steps(directory.path) == [7, 8]
  assert _content(directory.find_newest()) == ['new', 'newer']


def _truncate(path):
  os.truncate(os.path.join(path, 'file_0'), 1)


def _flip_a_byte(path):
  with open(os.path.join(path, 'file_1'), 'r+b') as file:
    byte = file.read(1)
    file.seek(0)
    file.write(bytes([byte[0] ^ 1]))


def _remove_a_file(path):
  os.unlink(os.path.join(path, 'file_1'))


def _add_a_file(path):
  with open(os.path.join(path, 'other'), 'w'):
    pass


def _remove_the_manifest(path):
  os.unlink(os.path.join(path, 'manifest.json'))


def _halve_the_manifest(path):
  manifest = os.path.join(path, 'manifest.json')
  os.truncate(manifest, os.path.getsize(manifest) // 2)


def _empty_the_manifest(path):
  with open(os.path.join(path, 'manifest.json'), 'w') as file:
    file.write('[]')


def _make_it_a_file(path):
  shutil.rmtree(path)
  with open(path, 'w'):
    pass


@pytest.mark.parametrize('damage', [
    _truncate, _flip_a_byte, _remove_a_file, _add_a_file, _remove_the_manifest,
    _halve_the_manifest, _empty_the_manifest, _make_it_a_file])
def test_a_damaged_one_is_passed_over(directory, errors, damage):
  _save(directory, 1, 2, 3)
  damage(directory.path_of(3))
  again = checkpoint_directory.CheckpointDirectory(directory.path)
  found = again.find_newest()
  assert (found.step, _content(found)) == (2, ['a2', 'b2'])
  assert len(errors) == 1 and directory.path_of(3) in errors[0]
  damage(directory.path_of(2))
  assert again.find_newest().step == 1
  damage(directory.path_of(1))
  assert again.find_newest() is None


def test_damaged_ones_do_not_count_among_the_three(directory, errors):
  _save(directory, 10, 20, 30)
  _truncate(directory.path_of(30))
  again = checkpoint_directory.CheckpointDirectory(directory.path)
  assert again.find_newest().step == 20
  _save(again, 25)
  assert _steps(directory.path) == [10, 20, 25]
  assert again.find_newest().step == 25
  assert len(errors) == 1


def test_a_step_that_was_damaged_is_reached_again(directory, errors):
  _save(directory, 10, 20)
  _truncate(directory.path_of(20))
  again = checkpoint_directory.CheckpointDirectory(directory.path)
  assert again.find_newest().step == 10
  _save(again, 20)
  assert again.find_newest().step == 20
  assert _content(again.find_newest()) == ['a20', 'b20']
  _save(again, 21)
  assert _steps(directory.path) == [10, 20, 21]


_KILLED = '''
import os, signal, sys
from apex_tf import checkpoint_directory
path, step, where = sys.argv[1], int(sys.argv[2]), sys.argv[3]
directory = checkpoint_directory.CheckpointDirectory(path)
rename, count = os.rename, [0]
def die_at(number):
  def replacement(*arguments):
    if count[0] == number:
      os.kill(os.getpid(), signal.SIGKILL)
    count[0] += 1
    rename(*arguments)
  return replacement
def write(folder):
  with open(os.path.join(folder, 'file_0'), 'w') as file:
    file.write('half')
    file.flush()
    if where == 'write':
      os.kill(os.getpid(), signal.SIGKILL)
if where != 'write':
  os.rename = die_at(int(where))
directory.save(step, write)
'''


@pytest.mark.parametrize('step, where', [
    (3, 'write'), (2, 'write'), (3, '0'), (2, '0'), (2, '1')])
def test_killed_while_saving(directory, errors, step, where):
  """While a file is written, and before each rename; of a new step or not."""
  _save(directory, 1, 2)
  process = subprocess.run(
      [sys.executable, '-c', _KILLED, directory.path, str(step), where],
      check=False)
  assert process.returncode == -signal.SIGKILL
  assert any(name.startswith('.') for name in os.listdir(directory.path))
  found = checkpoint_directory.CheckpointDirectory(directory.path).find_newest()
  assert (found.step, _content(found)) == (2, ['a2', 'b2'])
  assert _steps(directory.path) == [1, 2]
  assert not errors


def test_killed_at_any_moment(directory, errors):
  """A process that saves as fast as it can, killed twenty times."""
  code = _KILLED.split('rename,')[0] + '''
def write(folder):
  for index in range(2):
    with open(os.path.join(folder, f'file_{index}'), 'w') as file:
      file.write(f"{'ab'[index]}{step}")
while True:
  for _ in range(2):
    directory.save(step, write)
  step += 1
'''
  last = 1
  _save(directory, last)
  for round_number in range(20):
    process = subprocess.Popen(
        [sys.executable, '-c', code, directory.path, str(last), ''])
    deadline = time.monotonic() + 60
    # The next one may have come and gone before we look.
    while not any(name.isdigit() and int(name) > last
                  for name in os.listdir(directory.path)):
      assert time.monotonic() < deadline and process.poll() is None
      time.sleep(0.01)
    time.sleep(0.003 * round_number)
    process.kill()
    process.wait()
    found = checkpoint_directory.CheckpointDirectory(
        directory.path).find_newest()
    assert found.step > last
    assert _content(found) == [f'a{found.step}', f'b{found.step}']
    last = found.step
  assert len(os.listdir(directory.path)) <= 4


@pytest.mark.parametrize('step', [2, 3])
@pytest.mark.parametrize('failing', ['os.rename', 'os.fsync', 'write'])
def test_a_failed_save_leaves_what_was_there(
    directory, monkeypatch, step, failing):
  _save(directory, 1, 2)

  def fail(*unused_arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  with monkeypatch.context() as patch:
    if failing != 'write':
      patch.setattr(failing, fail)
    with pytest.raises(OSError, match='No space'):
      directory.save(step, fail if failing == 'write' else _writer('x', 'y'))
  assert _steps(directory.path) == [1, 2]
  assert _content(directory.find_newest()) == ['a2', 'b2']
  _save(directory, 3)
  assert _steps(directory.path) == [1, 2, 3]
