"""Whether a run may go on with a configuration, and what is said of it."""

import json
import os
import pathlib
import time

import pytest

from apex_tf import checkpoint_directory
from apex_tf import config as config_lib
from apex_tf import resuming
from apex_tf import settings
from apex_tf.monitoring import opening

# By hand: what the issue says of limits, logging and the number of actors, and
# what only decides how quickly the same thing is done.
_MAY_CHANGE = {
    'replay.checkpoint_minutes', 'replay.port', 'learner.port',
    'actor.num_actors', 'actor.environments_per_actor',
    'learner.prefetch_batches', 'learner.num_samplers',
    'learner.checkpoint_minutes', 'learner.max_pending_priorities',
    'evaluator.episodes', 'evaluator.num_environments',
    'evaluator.period_seconds', 'evaluator.max_seconds',
    'run.max_minutes', 'run.max_learner_steps', 'run.max_agent_steps',
    'run.target_return', 'run.max_restarts', 'run.max_memory_share',
    'run.metrics_period_seconds',
}
_FIELDS = {path: (value, field)
           for path, value, field in settings.leaves(config_lib.Config())}


@pytest.fixture
def run(tmp_path):
  directory = opening.prepare(str(tmp_path / 'run'), 'auto')
  directory.write_config(config_lib.Config())
  return directory


def _changed(path):
  """A configuration with another value of one field, and that value."""
  config = config_lib.Config()
  section, name = path.split('.')
  value, field = _FIELDS[path]
  if isinstance(value, bool):
    new = not value
  elif isinstance(value, str):
    others = [c for c in field.metadata['limits'].get('choices', ('other',))
              if c != value]
    new = others[0]
  elif isinstance(value, tuple):
    new = (*value, 7)
  else:
    new = type(value)(1 if value in (0, float('inf')) else value / 2)
  setattr(getattr(config, section), name, new)
  return config, new


def test_what_may_change():
  assert {path for path, (_, field) in _FIELDS.items()
          if field.metadata['may_change']} >= _MAY_CHANGE
  for path in ('run.seed', 'replay.capacity', 'actor.sync_period',
               'learner.batch_size', 'learner.publish_period'):
    assert not _FIELDS[path][1].metadata['may_change']


@pytest.mark.parametrize('path', _FIELDS)
def test_every_field(run, path):
  config, new = _changed(path)
  if _FIELDS[path][1].metadata['may_change']:
    resuming.check(run.path, 'auto', config)
    resuming.check(run.path, 'must', config)
    return
  with pytest.raises(ValueError) as error:
    resuming.check(run.path, 'auto', config)
  assert str(error.value) == (
      f'{path} is {new!r}, but must be {_FIELDS[path][0]!r}, as in the run of '
      f'--workdir={run.path}, or the run be started afresh with '
      '--resume=never')
  resuming.check(run.path, 'never', config)


def test_several_fields(run):
  config = config_lib.Config()
  config.agent.n_step, config.agent.discount = 5, 0.9
  config.replay.capacity = config.replay.min_size = 100_000
  with pytest.raises(ValueError, match=(
      '^agent.n_step is 5, but must be 3; agent.discount is 0.9, but must be '
      '0.99; replay.capacity is 100000, but must be 2000000; and 1 more, as')):
    resuming.check(run.path, 'auto', config)


@pytest.mark.parametrize('text', [
    '', '{"agent": {"n_step": "3"}}', '[]', '{"agent": {"steps": 3}}', '\xff'])
def test_a_configuration_that_cannot_be_read(run, text):
  pathlib.Path(run.config_file).write_bytes(text.encode('latin-1'))
  with pytest.raises(ValueError, match=(
      f"^workdir is '{run.path}', but must be of a run whose config.json can "
      'be read .*--resume=never')):
    resuming.check(run.path, 'auto', config_lib.Config())


def test_a_field_that_is_newer_than_the_run_has_its_default(run):
  old = json.loads(pathlib.Path(run.config_file).read_text())
  del old['agent']['n_step']
  pathlib.Path(run.config_file).write_text(json.dumps(old))
  resuming.check(run.path, 'auto', config_lib.Config())


def test_a_directory_without_a_run(tmp_path):
  resuming.check(str(tmp_path / 'new'), 'auto', config_lib.Config())
  assert resuming.find_checkpoint(str(tmp_path / 'new'), 'auto') is None
  with pytest.raises(ValueError, match='--resume=must'):
    resuming.check(str(tmp_path / 'new'), 'must', config_lib.Config())
  assert os.listdir(tmp_path) == []


def _save(run, step):
  def write(path):
    pathlib.Path(path, 'state.json').write_text('{}')
  checkpoints = checkpoint_directory.CheckpointDirectory(
      run.learner_checkpoints_directory)
  checkpoints.save(step, write)
  return checkpoints.path_of(step)


def _describe(checkpoint, replay=None):
  return resuming.describe('runs/x', config_lib.Config(), checkpoint, replay)


def test_the_newest_whole_checkpoint_is_found(run, monkeypatch):
  assert resuming.find_checkpoint(run.path, 'auto') is None
  path = _save(run, 4800)
  damaged = pathlib.Path(_save(run, 4900), 'state.json')
  damaged.write_text('{')
  now = time.time()
  monkeypatch.setattr(time, 'time', lambda: now)
  os.utime(path, (now - 725.5, now - 725.5))
  found = resuming.find_checkpoint(run.path, 'auto')
  assert found.learner_steps == 4800
  assert resuming.find_checkpoint(run.path, 'never') is None
  assert _describe(found) == (
      'Resuming runs/x from learner step 4,800 of 12 min 05 s ago; replay is '
      'empty: the restored policy fills it to 50,000 transitions before '
      'learning goes on')


def test_a_run_without_a_checkpoint_says_so():
  assert _describe(None) == (
      'Resuming runs/x, which has no checkpoint of the learner: learning and '
      'counting begin anew, when replay holds 50,000 transitions; replay is '
      'empty')


def test_a_clock_that_was_set_back_makes_no_negative_ages():
  assert 'of 0 s ago' in _describe(
      resuming.Checkpoint(4800, time.time() + 1000))


def test_the_checkpoint_of_replay_is_found(run):
  config = config_lib.Config()
  config.replay.checkpoint_minutes = 5.0

  def find(resume='auto'):
    return resuming.find_replay_checkpoint(run.path, resume, config)

  def write(path):
    pathlib.Path(path, 'replay.json').write_text(
        '{"items": 70123, "inserts": 80000, "samples": 90000}')

  assert find() is None
  checkpoints = checkpoint_directory.CheckpointDirectory(
      run.replay_checkpoints_directory())
  checkpoints.save(7, write)
  assert find().items == 70_123
  assert find('never') is None
  config.replay.checkpoint_minutes = 0.0
  assert find() is None


def test_it_says_what_replay_begins_with(monkeypatch):
  now = time.time()
  monkeypatch.setattr(time, 'time', lambda: now)
  learner = resuming.Checkpoint(4800, now - 60.5)
  assert _describe(learner, resuming.ReplayCheckpoint(50_000, now - 30.5)) == (
      'Resuming runs/x from learner step 4,800 of 1 min ago; replay has the '
      '50,000 transitions of 30 s ago')
  assert _describe(learner, resuming.ReplayCheckpoint(49_999, now - 30.5)) == (
      'Resuming runs/x from learner step 4,800 of 1 min ago; replay has the '
      '49,999 transitions of 30 s ago: the restored policy fills it to 50,000 '
      'transitions before learning goes on')
  assert _describe(None, resuming.ReplayCheckpoint(50_000, now - 30.5)) == (
      'Resuming runs/x, which has no checkpoint of the learner: learning and '
      'counting begin anew; replay has the 50,000 transitions of 30 s ago')
