"""A run directory on a disk that is full, or may not be written to."""

import os

import pytest

from apex_tf.monitoring import opening
from apex_tf.monitoring import role_records
from tests import small_disk as small_disk_lib

# More than a disk on which there is no room takes, however it counts.
_TEXT = 'x' * 10_000

_TROUBLES = pytest.mark.parametrize(
    'trouble, relief', small_disk_lib.TROUBLES.values(),
    ids=small_disk_lib.TROUBLES)


@_TROUBLES
def test_a_run_directory_outlives_it(small_disk, trouble, relief, status,
                                     config):
  directory = opening.prepare(str(small_disk.path / 'run'), 'auto')
  directory.write_config(config)
  directory.write_status(status)
  directory.record_start('learner')
  trouble(small_disk)
  before = {name: sorted(os.listdir(name))
            for name in (directory.path, directory.roles_directory)}
  status.evaluations = status.evaluations * 100
  directory.write_status(status)
  directory.write_summary({'text': _TEXT})
  directory.record_failure('learner', _TEXT)
  with pytest.raises(OSError):  # Of a file that somebody has asked for.
    directory.write_evaluation({'text': _TEXT})
  record = directory.read_roles()['learner']
  with pytest.raises(OSError):
    role_records.write(
        os.path.join(directory.roles_directory, 'learner.json'),
        role_records.RoleRecord.of_this_process('learner', 'failed', _TEXT))
  assert record.state == 'running'
  assert {name: sorted(os.listdir(name)) for name in before} == before
  assert len(directory.read_status().evaluations) == 3
  relief(small_disk)
  directory.write_status(status)
  directory.record_stop('learner')
  assert len(directory.read_status().evaluations) == 300
  assert directory.read_roles()['learner'].state == 'stopped'


@_TROUBLES
@pytest.mark.parametrize('resume', ['auto', 'never'])
def test_no_run_begins_there(small_disk, trouble, relief, config, resume):
  old = opening.prepare(str(small_disk.path / 'old'), 'auto')
  old.write_config(config)
  trouble(small_disk)

  def tree():
    return sorted(f'{root}/{name}' for root, folders, names in os.walk(
        small_disk.path) for name in folders + names)

  before = tree()
  for name in ('new', 'new/run', 'old'):
    path = str(small_disk.path / name)
    with pytest.raises(ValueError, match=(
        f"^workdir is '{path}', but must be (writable|a directory that can be "
        'written to .*(No space left|Read-only))')):
      opening.prepare(path, resume)
    assert tree() == before
  relief(small_disk)
  assert opening.prepare(
      str(small_disk.path / 'old'), 'auto').resumed
