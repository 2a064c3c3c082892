"""Ape-X DPG as a whole: the same program, run in real processes."""

import subprocess
import sys

import pytest

from apex_tf.monitoring import metric_table
from apex_tf.monitoring import tensorboard_layout
from tests.integration import programs

_ROLES = ('replay', 'learner', 'actor_0', 'evaluator')


@pytest.fixture(scope='module')
def pendulum_run(tmp_path_factory):
  """A run on Pendulum whose replay has been full for most of it."""
  workdir = tmp_path_factory.mktemp('pendulum') / 'run'
  program = programs.Program(workdir, [
      '--config.run.max_learner_steps=1000',
      # 8 x 1000 / 2 = 4000 transitions through a replay of 1000.
      '--config.replay.samples_per_insert=2',
      '--config.replay.eviction_pool_size=4000',
      '--config.run.seed=3'], preset='pendulum')
  try:
    ended = program.wait()
    assert ended.code == 0, ended.err
    yield program
  finally:
    program.kill()


def test_it_ends_by_itself_and_leaves_no_process(pendulum_run):
  summary = programs.read_json(pendulum_run.workdir / 'summary.json')
  assert (summary['task'], summary['agent'], summary['learner_steps']) == (
      'Pendulum-v1', 'dpg', 1000)
  assert summary['final_evaluation_complete'] is True
  # The worst that an episode of 200 steps can have is -3255.
  assert -3255 <= summary['final_return_mean'] <= 0
  assert not pendulum_run.survivors()


@pytest.mark.parametrize('role', _ROLES)
def test_every_metric_is_in_tensorboard(pendulum_run, role):
  points = programs.read_points(pendulum_run.workdir, role)
  assert set(points) == programs.metrics_of(role, 'dpg')
  for name, series in points.items():
    assert all(value == value for _, value in series), name  # None is NaN.


def test_each_chart_of_the_layout_has_points(pendulum_run):
  written = {f'{metric_table.role_kind(role)}/{name}' for role in _ROLES
             for name in programs.read_points(pendulum_run.workdir, role)}
  charts = [chart for category in tensorboard_layout.make('dpg').category
            for chart in category.chart]
  assert len(charts) == sum(
      len(category.charts) for category in tensorboard_layout.CATEGORIES)
  for chart in charts:
    assert {tag.rstrip('$') for tag in chart.multiline.tag} <= written


def test_metrics_of_the_agent(pendulum_run):
  learner = programs.read_points(pendulum_run.workdir, 'learner')
  for name in ('action_saturation', 'action_gradient_clipped'):
    assert all(0 <= value <= 1 for _, value in learner[name])
  actor = programs.read_points(pendulum_run.workdir, 'actor_0')
  assert [value for _, value in actor['noise_scale']] == pytest.approx(
      [0.3] * len(actor['noise_scale']), rel=1e-6)
  assert actor['items_refused'][-1][1] == actor['broken_episodes'][-1][1] == 0


def test_eviction_kept_replay_at_its_capacity(pendulum_run):
  learner = programs.read_points(pendulum_run.workdir, 'learner')
  assert learner['items_evicted'][-1][1] > 100
  replay = programs.read_points(pendulum_run.workdir, 'replay')
  assert max(value for _, value in replay['replay_size']) <= 1020


def test_its_policy_can_be_evaluated(pendulum_run):
  command = subprocess.run(
      [sys.executable, '-m', 'launch.evaluate',
       f'--workdir={pendulum_run.workdir}', '--episodes=3'],
      cwd=programs.ROOT, capture_output=True, text=True, check=False)
  assert command.returncode == 0, command.stderr
  evaluation = programs.read_json(pendulum_run.workdir / 'evaluation.json')
  assert (evaluation['agent'], evaluation['learner_step'],
          evaluation['episodes']) == ('dpg', 1000, 3)
  assert f'Pendulum-v1: return {evaluation["mean"]:.1f} ' in command.stdout
