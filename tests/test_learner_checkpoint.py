"""The learner's checkpoints: what they hold, and what they survive."""

import errno
import json
import os
import resource

import numpy as np
import pytest
import tensorflow as tf

from apex_tf import saved_policy
from apex_tf import variables as variables_lib
from tests import recorded_learning as recorded

_NAMES = [variables_lib.LEARNER_STEP, variables_lib.POLICY]


def _names(directory):
  """Of everything in it, hidden things too."""
  return sorted(os.listdir(directory))


def _evaluation(**changes):
  return {'learner_step': 2, 'agent_steps': 10, 'environment_frames': 40,
          'wall_seconds': 1.5, 'returns': [0.1, 7.0], 'complete': True,
          'final': False, 'mean': 3.55, 'std': 1 / 3, **changes}


@pytest.mark.parametrize('name', ['dqn', 'dpg'])
def test_the_next_losses_are_those_of_an_uninterrupted_run(tmp_path, name):
  batches = recorded.make_batches(name, range(12))
  first = recorded.make_run(tmp_path, name, batches)
  # Between two copies into the target.
  first.step(5)
  assert first.checkpointer.save()
  expected = first.step(7)

  again = recorded.make_run(tmp_path, name, batches[5:], seed=2)
  different = recorded.make_run(tmp_path / 'none', name, batches[5:], seed=2)
  assert again.checkpointer.restore() == 5
  assert again.learner.num_steps == 5
  assert again.coordinator.status().learner_steps == 5
  assert again.step(7) == expected
  assert different.step(7) != expected
  for one, two in zip(first.values(), again.values()):
    np.testing.assert_array_equal(one, two)
  assert again.learner.num_steps == 12


def test_restored_variables_are_published_at_their_step(tmp_path):
  batches = recorded.make_batches('dqn', range(9))
  first = recorded.make_run(tmp_path, 'dqn', batches)
  first.step(4)
  kept = first.learner.get_and_keep_variables(_NAMES)
  first.step(3)
  first.checkpointer.save()
  assert first.learner.published_version == 6

  second = recorded.make_run(tmp_path, 'dqn', [], seed=2)
  second.checkpointer.restore()
  version, values = second.learner.get_variables(_NAMES)
  assert version == second.learner.published_version == 7
  for value, variable in zip(values, first.learner.module.policy_variables):
    np.testing.assert_array_equal(value, variable)
  # What an evaluation may yet choose is still there.
  second.learner.publish_last(reached_target=True)
  version, values = second.learner.get_variables(_NAMES)
  assert version == kept[0] == 4
  for value, before in zip(values, kept[1]):
    np.testing.assert_array_equal(value, before)


def test_counts_go_on(tmp_path):
  clock = recorded.Clock()
  batches = recorded.make_batches('dqn', range(6))
  first = recorded.make_run(tmp_path, 'dqn', batches, clock=clock)
  clock.now += 20
  first.step(3)
  first.coordinator.report_actor(0, {
      'incarnation': 'a', 'agent_steps': 50, 'environment_frames': 200,
      'episodes': 5, 'broken_episodes': 1, 'recent_returns': [float('inf')]})
  first.coordinator.report_evaluation(_evaluation())
  clock.now += 10
  first.learner.batch_wait_seconds = 7.25
  first.writer.statistics.refused = 3
  first.evictor.statistics.evicted = 11
  first.checkpointer.save()

  # A clock that is years behind changes nothing.
  clock = recorded.Clock(-1e8)
  second = recorded.make_run(tmp_path, 'dqn', batches[3:], clock=clock)
  second.checkpointer.restore()
  clock.now += 100  # While replay is filled.
  status = second.coordinator.status()
  assert (status.learner_steps, status.agent_steps, status.environment_frames,
          status.episodes, status.broken_episodes) == (3, 50, 200, 5, 1)
  assert status.wall_seconds == pytest.approx(130)
  assert status.learning_seconds == pytest.approx(10)
  assert status.evaluations == first.coordinator.status().evaluations
  second.step(3)
  clock.now += 5
  assert second.coordinator.status().learning_seconds == pytest.approx(15)
  assert second.coordinator.status().wall_seconds == pytest.approx(135)
  metrics = second.learner.metrics()
  assert metrics['batch_wait_seconds'] >= 7.25
  assert (metrics['priorities_refused'], metrics['items_evicted']) == (3, 11)


def test_random_state_goes_on(tmp_path):
  first = recorded.make_run(tmp_path, 'dqn', [])
  keys = np.arange(500, dtype=np.uint64)
  first.evictor.observe(keys, np.full(500, 0.002), np.ones(500))
  first.evictor.choose(20)
  first.checkpointer.save()
  expected = first.evictor.choose(20)
  second = recorded.make_run(tmp_path, 'dqn', [], seed=2)
  second.checkpointer.restore()
  second.evictor.observe(keys, np.full(500, 0.002), np.ones(500))
  np.testing.assert_array_equal(second.evictor.choose(20), expected)


@pytest.mark.parametrize('limit', ['max_learner_steps', 'target_return'])
def test_a_limit_may_be_reached_already(tmp_path, limit):
  first = recorded.make_run(
      tmp_path, 'dqn', recorded.make_batches('dqn', range(3)))
  first.step(3)
  for final in (False, True):
    first.coordinator.report_evaluation(_evaluation(mean=475.0, final=final))
  first.checkpointer.save()
  second = recorded.make_run(tmp_path, 'dqn', [], **{limit: 3})
  second.checkpointer.restore()
  assert not second.coordinator.status().evaluations[0].final
  assert second.coordinator.check_limits() == 'stopping'
  assert second.coordinator.status().stop_reason == limit


def test_nothing_is_pickled(tmp_path):
  run = recorded.make_run(tmp_path, 'dqn', recorded.make_batches('dqn', [0]))
  run.step()
  run.coordinator.report_evaluation(_evaluation(mean=float('nan')))
  run.checkpointer.save()
  directory = tmp_path / '000000000001'
  assert _names(directory) == [
      'kept_policy.npz', 'manifest.json', 'state.json',
      'variables.data-00000-of-00001', 'variables.index']
  with np.load(directory / 'kept_policy.npz', allow_pickle=False) as arrays:
    assert all(arrays[name].dtype != object for name in arrays.files)

  def refuse(constant):
    raise AssertionError(f'{constant} is not JSON')

  for name in ('state.json', 'manifest.json'):
    json.loads((directory / name).read_text(), parse_constant=refuse)
  for path in [tmp_path, directory]:
    assert path.stat().st_mode & 0o077 == 0 or path == tmp_path
  again = recorded.make_run(tmp_path, 'dqn', [])
  again.checkpointer.restore()
  assert np.isnan(again.coordinator.status().evaluations[0].mean)


@pytest.mark.parametrize('field', ['seed', 'agent'])
def test_another_configuration_is_refused(tmp_path, field):
  first = recorded.make_run(tmp_path, 'dqn', [], seed=1)
  first.checkpointer.save()
  if field == 'seed':  # Only the first parameters depend on it.
    assert recorded.make_run(
        tmp_path, 'dqn', [], seed=2).checkpointer.restore() == 0
  else:
    other = recorded.make_run(tmp_path, 'dpg', [])
    with pytest.raises(ValueError, match='000000000000 is not of this conf'):
      other.checkpointer.restore()


def test_saves_when_due(tmp_path):
  clock = recorded.Clock()
  run = recorded.make_run(tmp_path, 'dqn', recorded.make_batches(
      'dqn', range(9)), clock=clock, period_seconds=60.0)
  saved = []
  # The clock jumps back at the end: that never puts off a save.
  for seconds in (0, 59, 0.9, 0.2, 59.9, 0.2, -1e6, 59.9, 0.2):
    clock.now += seconds
    run.step()
    run.checkpointer.save_if_due()
    saved.append(int(_names(tmp_path)[-1]) if _names(tmp_path) else 0)
  assert saved == [0, 0, 0, 4, 4, 6, 7, 7, 9]


def test_variables_that_are_not_finite_are_not_saved(tmp_path, errors):
  run = recorded.make_run(
      tmp_path, 'dqn', recorded.make_batches('dqn', range(2)))
  run.step()
  run.checkpointer.save()
  good = run.values()
  run.step()
  variable = run.learner.module.policy_variables[1]
  variable.assign(tf.fill(variable.shape, np.nan))
  assert not run.checkpointer.save()
  assert 'is not finite' in errors[0] and '000000000002' in errors[0]
  assert _names(tmp_path) == ['000000000001']
  again = recorded.make_run(tmp_path, 'dqn', [], seed=2)
  assert again.checkpointer.restore() == 1
  for one, two in zip(good, again.values()):
    np.testing.assert_array_equal(one, two)


def test_a_full_disk(tmp_path, errors):
  """No file may be larger than some kilobytes: the writes fail halfway."""
  run = recorded.make_run(
      tmp_path, 'dqn', recorded.make_batches('dqn', range(3)))
  run.step()
  assert run.checkpointer.save()
  run.step()
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
  try:
    assert not run.checkpointer.save()
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
  assert 'File too large' in errors[0]
  assert _names(tmp_path) == ['000000000001']
  run.step()
  assert run.checkpointer.save()
  assert _names(tmp_path) == ['000000000001', '000000000003']
  again = recorded.make_run(tmp_path, 'dqn', [])
  assert again.checkpointer.restore() == 3


def test_a_directory_that_cannot_be_made(tmp_path, errors):
  (tmp_path / 'file').write_text('in the way')
  run = recorded.make_run(
      tmp_path / 'file' / 'checkpoints', 'dqn',
      recorded.make_batches('dqn', range(2)))
  run.step()
  assert not run.checkpointer.save()
  assert os.strerror(errno.ENOTDIR) in errors[0]
  assert run.step()


def test_a_policy_that_is_saved_is_that_of_the_checkpoint(tmp_path):
  """What `launch.evaluate` plays after a resume is what the run learns on."""
  run = recorded.make_run(
      tmp_path / 'c', 'dqn', recorded.make_batches('dqn', range(3)))
  run.step(3)
  run.checkpointer.save()
  again = recorded.make_run(tmp_path / 'c', 'dqn', [], seed=2)
  again.checkpointer.restore()
  path = str(tmp_path / 'policy.npz')
  saved_policy.PolicySaver(again.learner, path).save()
  assert saved_policy.SavedPolicy(path).learner_step == 3
