"""The result of a run."""

import json
import math

import pytest

from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import summary as summary_lib


def _strict(data):
  return json.loads(json.dumps(data, allow_nan=False))


def test_summary_of_a_finished_run(status, config, evaluation):
  status.evaluations.append(
      evaluation(3, [440.0, 500.0], final=True, learner_step=12_345))
  status.stop_reason = 'target_return'
  summary = summary_lib.summarize(status, config, {'actor_1': 2})
  assert _strict(summary) == summary
  versions = summary.pop('versions')
  assert versions['apex_tf'] and versions['dm-reverb'] == '0.7.3'
  assert versions['dm-control'] and versions['mujoco']
  assert summary == {
      'task': 'CartPole-v1',
      'agent': 'dqn',
      'seed': 7,
      'protocol': {},
      'stop_reason': 'target_return',
      'final_return_mean': 470.0,
      'final_return_std': 30.0,
      'evaluation_episodes': 2,
      'evaluated_version': 12_345,
      'final_evaluation_complete': True,
      'best_return_mean': 490.0,
      'human_normalized_score': None,
      'learner_steps': 12_345,
      'agent_steps': 456_789,
      'environment_frames': 456_789,
      'episodes': 1234,
      'broken_episodes': 0,
      'wall_seconds': 200.0,
      'learning_seconds': 100.0,
      'learner_steps_per_second': 123.45,
      'samples_per_second': 123.45 * 512,
      'agent_steps_per_second': 456_789 / 200,
      'frames_per_second': 456_789 / 200,
      'restarts': {'actor_1': 2},
      'unsaved': [],
  }


def test_summary_of_a_run_without_a_final_evaluation(status, config):
  summary = summary_lib.summarize(status, config)
  assert summary['final_return_mean'] == 490.0
  assert summary['evaluated_version'] == 800
  assert summary['final_evaluation_complete'] is False


def test_summary_of_an_unfinished_final_evaluation(status, config, evaluation):
  status.evaluations.append(
      evaluation(3, [440.0], final=True, complete=False))
  summary = summary_lib.summarize(status, config)
  assert summary['final_return_mean'] == 440.0
  assert summary['final_evaluation_complete'] is False


def test_the_best_return_is_of_whole_evaluations(status, config, evaluation):
  # Where short episodes are the good ones, those that are cut are the bad.
  status.evaluations[:] = [
      evaluation(0, [100.0, 300.0]), evaluation(1, [900.0], complete=False),
      evaluation(2, [], complete=False), evaluation(3, [50.0, 250.0])]
  assert summary_lib.summarize(status, config)['best_return_mean'] == 200.0
  status.evaluations[:] = [evaluation(1, [900.0], complete=False)]
  assert summary_lib.summarize(status, config)['best_return_mean'] is None


def test_summary_of_a_run_that_did_nothing(config):
  summary = summary_lib.summarize(status_lib.RunStatus(), config)
  assert _strict(summary) == summary
  assert summary['final_return_mean'] is None
  assert summary['best_return_mean'] is None
  assert summary['learner_steps_per_second'] is None
  assert summary['samples_per_second'] is None
  assert summary['evaluation_episodes'] == 0
  assert summary_lib.final_line(summary) == (
      'CartPole-v1: no evaluation, running after 0 s')


def test_numbers_that_are_not_finite_become_null(status, config, evaluation):
  status.evaluations = [
      evaluation(0, [], final=True, std=math.inf,
                 human_normalized=math.nan)]
  status.stop_reason = 'failed'
  summary = summary_lib.summarize(status, config)
  assert _strict(summary) == summary
  assert summary['final_return_mean'] is None
  assert summary['final_return_std'] is None
  assert summary['human_normalized_score'] is None
  assert summary_lib.final_line(summary) == (
      'CartPole-v1: no evaluation, failed after 3 min 20 s')


def test_final_line(status, config, evaluation):
  status.evaluations = [
      evaluation(0, [500.0] * 20, final=True, learner_step=12_345)]
  status.stop_reason = 'target_return'
  assert summary_lib.final_line(summary_lib.summarize(status, config)) == (
      'CartPole-v1: final return 500.0 ± 0.0 over 20 episodes (policy of '
      'learner step 12345), stopped by target_return after 3 min 20 s')


@pytest.mark.parametrize('broken, said', [
    (1, '1 episode broke off'), (3, '3 episodes broke off')])
def test_final_line_of_a_run_whose_simulator_broke(status, config, broken,
                                                   said):
  status.evaluations = []
  status.broken_episodes = broken
  status.stop_reason = 'max_minutes'
  summary = summary_lib.summarize(status, config)
  assert summary['broken_episodes'] == broken
  assert summary_lib.final_line(summary) == (
      'CartPole-v1: no evaluation, stopped by max_minutes after 3 min 20 s; '
      f'{said}')


def test_final_line_of_an_interrupted_run(status, config, evaluation):
  status.evaluations = [evaluation(1, [10.0], human_normalized=89.6)]
  status.stop_reason = 'interrupted'
  assert summary_lib.final_line(summary_lib.summarize(status, config)) == (
      'CartPole-v1: last return 10.0 ± 0.0 (90% of human) over 1 episode '
      '(policy of learner step 400; the final evaluation was not finished), '
      'interrupted after 3 min 20 s')
