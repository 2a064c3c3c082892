"""Steps whose loss or gradient is not finite, of both agents."""

import os

import numpy as np
import pytest

from apex_tf import non_finite
from tests import recorded_learning as recorded


def _returns(value):
  returns = np.zeros(recorded.BATCH_SIZE, np.float32)
  returns[2] = value
  return returns


@pytest.mark.parametrize('name', ['dqn', 'dpg'])
# The square of the last is more than float32 has: its priority is finite.
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e30])
def test_the_learner_stops_and_its_checkpoint_stays(tmp_path, name, value):
  batches = recorded.make_batches(name, range(3))
  batches.append(recorded.make_batch(name, 3, n_step_return=_returns(value)))
  run = recorded.make_run(tmp_path / 'checkpoints', name, batches)
  run.step(2)
  run.checkpointer.save()
  good = run.values()
  run.step()
  published = run.learner.get_variables(['policy'])[0]
  with pytest.raises(non_finite.NonFiniteError) as caught:
    run.learner.step()
  error = caught.value
  assert f'loss is {"inf" if value == 1e30 else abs(value)}' in str(error)
  assert str(error).endswith('at learner step 4')
  # Nobody is given the variables.
  assert run.learner.published_version == 2
  assert run.learner.get_variables(['policy'])[0] is published
  assert np.isfinite(run.learner.metrics()['loss'])
  # The priority is not written, and counted.
  assert run.writer.statistics.refused == (0 if value == 1e30 else 1)
  assert run.learner.metrics()['priorities_refused'] == (
      run.writer.statistics.refused)
  if not all(np.isfinite(v).all() for v in run.values()):
    assert not run.checkpointer.save()
  again = recorded.make_run(tmp_path / 'checkpoints', name, [], seed=2)
  assert again.checkpointer.restore() == 2
  for one, two in zip(good, again.values()):
    np.testing.assert_array_equal(one, two)


def _caught(name='dqn'):
  batch = recorded.make_batch(name, 3, n_step_return=_returns(np.nan))
  run = recorded.make_run('unused', name, [batch])
  with pytest.raises(non_finite.NonFiniteError) as caught:
    run.learner.step()
  return batch, caught.value


def test_the_batch_is_saved(tmp_path):
  batch, error = _caught()
  path = str(tmp_path / 'failures' / 'batch_1.npz')
  again = non_finite.save_batch(os.path.dirname(path), error)
  assert str(again) == f'{error}; the batch is saved in {path}'
  with np.load(path, allow_pickle=False) as file:
    arrays = dict(file)
  assert set(arrays) == {
      'observation_tm1', 'action_tm1', 'n_step_return', 'bootstrap_discount',
      'observation_t', 'importance_weight', 'key', 'probability',
      'learner_step', 'shard', 'td_error', 'loss', 'gradient_norm'}
  for record in (batch, batch.transition):
    for name, value in record._asdict().items():
      if name != 'transition':
        np.testing.assert_array_equal(arrays[name], value.numpy(), name)
  assert np.isnan(arrays['loss']) and np.isnan(arrays['td_error'][2])
  assert np.isfinite(np.delete(arrays['td_error'], 2)).all()


def test_a_batch_that_cannot_be_saved(tmp_path):
  unused_batch, error = _caught()
  (tmp_path / 'failures').write_text('a file')
  again = non_finite.save_batch(str(tmp_path / 'failures'), error)
  assert str(again).startswith(f'{error}; the batch is not saved in ')
  assert 'File exists' in str(again)


def test_only_losses_and_gradient_norms_count():
  batch = recorded.make_batch('dqn', 0)
  zeros = np.zeros(recorded.BATCH_SIZE)
  non_finite.check_step(7, batch, {'mean_q': np.nan, 'loss': 1.0}, zeros)
  with pytest.raises(non_finite.NonFiniteError) as caught:
    non_finite.check_step(7, batch, {
        'loss': 1.0, 'gradient_norm': 2.0, 'policy_gradient_norm': np.inf},
                          zeros)
  assert str(caught.value) == 'policy_gradient_norm is inf at learner step 7'
