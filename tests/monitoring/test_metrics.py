"""The metrics table, its event files and the rates."""

import glob
import math
import pathlib
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator
import tensorflow as tf

from apex_tf import agents
from apex_tf import files
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics

# What the issue asks to be seen at least, by role.
_REQUIRED = {
    'learner': ['loss', 'td_error_p10', 'td_error_p50', 'td_error_p90',
                'weight_mean', 'gradient_norm', 'mean_q',
                'learner_steps_per_second', 'samples_per_second',
                'sample_age_p50', 'priority_lag_steps',
                'priority_updates_dropped'],
    'actor': ['episode_return', 'episode_return_clipped', 'epsilon_min',
              'epsilon_max', 'insert_priority_p50', 'agent_steps_per_second',
              'frames_per_second', 'policy_age_seconds', 'items_refused'],
    'replay': ['replay_size', 'samples_per_insert', 'waiting_side',
               'waiting_seconds'],
    'evaluator': ['evaluation_return_mean', 'human_normalized_score'],
}


def _read(directory):
  accumulator = event_accumulator.EventAccumulator(
      str(directory), size_guidance={event_accumulator.TENSORS: 0})
  accumulator.Reload()
  return {
      tag: [(event.step, float(tf.make_ndarray(event.tensor_proto)))
            for event in accumulator.Tensors(tag)]
      for tag in accumulator.Tags()['tensors']
  }


def test_table():
  assert all(name == metric.name for name, metric in metrics.METRICS.items())
  rows = [*metric_table.TABLE, *agents.metrics()]
  assert len(metrics.METRICS) == len(rows)  # No name twice.
  for metric in metrics.METRICS.values():
    assert re.fullmatch('[a-z][a-z0-9_]*', metric.name)
    assert metric.unit and metric.doc.endswith('.')
    assert metric.roles
    assert set(metric.roles) <= set(metric_table.STEP_UNITS)


@pytest.mark.parametrize('role', sorted(_REQUIRED))
def test_table_has_what_the_issue_asks_for(role):
  for name in _REQUIRED[role]:
    assert role in metrics.METRICS[name].roles


@pytest.mark.parametrize('role, kind', [
    ('learner', 'learner'), ('actor_3', 'actor'), ('actor', 'actor')])
def test_role_kind(role, kind):
  assert metric_table.role_kind(role) == kind


def test_the_table_does_not_import_tensorflow():
  code = ('import sys; import apex_tf.monitoring.metrics; '
          'print("tensorflow" in sys.modules)')
  output = subprocess.run([sys.executable, '-c', code], check=True,
                          capture_output=True, text=True,
                          cwd=pathlib.Path(__file__).parents[2]).stdout
  assert output == 'False\n'


def test_points_are_read_back(tmp_path):
  logger = metrics.MetricsLogger(str(tmp_path), 'actor_3')
  logger.write({'step': 10, 'episode_return': 21.5, 'epsilon_min': 0.25})
  logger.write({'step': np.int64(20), 'episode_return': np.float32(-3.0),
                'epsilon_max': tf.constant(0.5)})
  # Flushed: seen before the file is closed.
  assert _read(tmp_path) == {
      'actor/episode_return': [(10, 21.5), (20, -3.0)],
      'actor/epsilon_min': [(10, 0.25)],
      'actor/epsilon_max': [(20, 0.5)],
      'actor/failed_writes': [
          (10, files.failed_writes()), (20, files.failed_writes())],
  }
  logger.close()
  logger.close()
  with pytest.raises(RuntimeError, match='closed'):
    logger.write({'step': 30, 'episode_return': 0.0})


def test_every_metric_of_every_role_can_be_written(tmp_path):
  for role in metric_table.STEP_UNITS:
    names = [m.name for m in metrics.METRICS.values() if role in m.roles]
    logger = metrics.MetricsLogger(str(tmp_path / role), role)
    # It counts them itself.
    names.remove('failed_writes')
    logger.write({'step': 1, **{name: i for i, name in enumerate(names)}})
    logger.close()
    assert _read(tmp_path / role) == {
        f'{role}/failed_writes': [(1, files.failed_writes())],
        **{f'{role}/{name}': [(1, float(i))] for i, name in enumerate(names)}}


def test_a_loss_that_is_not_a_number_is_seen(tmp_path):
  logger = metrics.MetricsLogger(str(tmp_path), 'learner')
  logger.write({'step': 1, 'loss': float('nan')})
  logger.close()
  assert math.isnan(_read(tmp_path)['learner/loss'][0][1])


@pytest.mark.parametrize('values, message', [
    ({'step': 1, 'los': 1.0}, "metric is 'los', .*did you mean loss"),
    ({'step': 1, 'episode_return': 1.0}, "metric is 'episode_return'"),
    ({'step': 1, 'loss': [1.0, 2.0]}, 'loss is .* must be a scalar'),
    ({'step': 1, 'loss': '1.0'}, 'loss is .* must be a scalar'),
    ({'step': 1, 'loss': None}, 'loss is None, but must be a scalar'),
    ({'loss': 1.0}, 'step is None, .*learner steps'),
    ({'step': 1.5, 'loss': 1.0}, 'step is 1.5'),
    ({'step': float('nan'), 'loss': 1.0}, 'step is nan'),
])
def test_bad_points_are_refused_whole(tmp_path, values, message):
  logger = metrics.MetricsLogger(str(tmp_path), 'learner')
  with pytest.raises(ValueError, match=message):
    logger.write({'mean_q': 1.0, **values})
  logger.close()
  assert _read(tmp_path) == {}


def test_an_unknown_role_is_refused_and_leaves_no_file(tmp_path):
  with pytest.raises(ValueError, match="role is 'critic', .*learner"):
    metrics.MetricsLogger(str(tmp_path / 'critic'), 'critic')
  assert not glob.glob(str(tmp_path / '*'))


def test_a_logger_outlives_a_full_disk(small_disk):
  directory = small_disk.path / 'learner'
  logger = metrics.MetricsLogger(str(directory), 'learner')
  failed = files.failed_writes()
  logger.write({'step': 0, 'loss': 0.0})
  small_disk.fill()
  # A block that is begun still takes some points, and half of one.
  for step in range(1, 201):
    logger.write({'step': step, 'loss': step})
  lost = files.failed_writes() - failed
  assert 100 < lost < 200
  names = set(directory.iterdir())
  assert len(names) == 1
  small_disk.make_room()
  for step in (1000, 1001):
    logger.write({'step': step, 'loss': step})
  logger.close()
  (first,), (second,) = names, set(directory.iterdir()) - names
  assert _read(first)['learner/loss'] == [
      (step, step) for step in range(201 - lost)]
  points = _read(second)
  assert points['learner/loss'] == [(1000, 1000), (1001, 1001)]
  assert points['learner/failed_writes'][-1] == (1001, failed + lost)


def test_a_logger_that_is_made_and_closed_on_a_full_disk(small_disk):
  open_before = metrics.MetricsLogger(str(small_disk.path / 'a'), 'learner')
  open_before.write({'step': 0, 'loss': 0.0})
  small_disk.fill()
  logger = metrics.MetricsLogger(str(small_disk.path / 'b'), 'actor_0')
  logger.write({'step': 1, 'episodes': 1})
  logger.close()
  for step in range(200):
    open_before.write({'step': step, 'loss': 0.0})
  open_before.close()
  late = metrics.MetricsLogger(str(small_disk.path / 'b'), 'actor_0')
  assert list((small_disk.path / 'b').iterdir()) == []
  small_disk.make_room()
  late.write({'step': 2, 'episodes': 2})
  assert _read(small_disk.path / 'b')['actor/episodes'] == [(2, 2.0)]
  late.close()


def test_threads_may_share_a_logger(tmp_path):
  logger = metrics.MetricsLogger(str(tmp_path), 'learner')

  def write(thread):
    for i in range(20):
      logger.write({'step': 100 * thread + i, 'loss': thread})

  threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  logger.close()
  points = _read(tmp_path)['learner/loss']
  assert sorted(points) == [
      (100 * n + i, float(n)) for n in range(4) for i in range(20)]


class _Clock:
  """A clock that is set by hand, in seconds."""

  def __init__(self):
    self.now = 1000.0

  def __call__(self):
    return self.now


def _rates(window, points):
  clock = _Clock()
  rate = metrics.RateWindow(window, clock)
  results = []
  for moment, value in points:
    clock.now = 1000.0 + moment
    results.append(rate.update(value))
  return results


def test_rate_before_and_beyond_the_window():
  # 10 a second for ten seconds, then 40 a second.
  points = [(0, 500), (5, 550), (10, 600), (15, 800), (20, 1000), (25, 1200)]
  # Over windows (0, 5), (0, 10), (5, 15), (10, 20), (15, 25).
  assert _rates(10.0, points) == [0.0, 10.0, 10.0, 25.0, 40.0, 40.0]


def test_rate_of_a_restarted_counter():
  # 30 more, then a restart and 20 more, then 10 more.
  assert _rates(100.0, [(0, 100), (1, 130), (2, 20), (4, 30)]) == [
      0.0, 30.0, 25.0, 15.0]


def test_rate_decays_when_the_counter_stands_still():
  assert _rates(10.0, [(0, 0), (10, 100), (20, 100), (30, 100)]) == [
      0.0, 10.0, 0.0, 0.0]


def test_rate_of_rare_updates_spans_more_than_the_window():
  assert _rates(10.0, [(0, 0), (60, 120)]) == [0.0, 2.0]


def test_rate_of_two_updates_at_one_moment():
  assert _rates(20.0, [(0, 0), (0, 50), (10, 100)]) == [0.0, 0.0, 10.0]


def test_rate_windows_must_be_positive():
  with pytest.raises(ValueError, match='window_seconds is 0'):
    metrics.RateWindow(0)


def test_rates_by_name():
  clock = _Clock()
  rates = metrics.Rates(30.0, clock)
  assert rates.update({'samples_per_second': 0}) == {'samples_per_second': 0.0}
  clock.now += 2.0
  assert rates.update({'samples_per_second': 10, 'frames_per_second': 8}) == {
      'samples_per_second': 5.0, 'frames_per_second': 0.0}
  clock.now += 2.0
  assert rates.update({'samples_per_second': 30, 'frames_per_second': 16}) == {
      'samples_per_second': 7.5, 'frames_per_second': 4.0}


def test_resident_megabytes():
  before = metrics.resident_megabytes()
  memory = np.ones(25_000_000)  # 200 MB.
  grown = metrics.resident_megabytes() - before
  assert 180 < grown < 220 and memory[-1] == 1
