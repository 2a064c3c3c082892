"""The evaluations of status and event files together."""

import numpy as np
import pytest

from apex_tf.reports import evaluations
from apex_tf.reports import event_files
from tests.reports import made_runs


def _events(points):
  """Of (step, agent steps, mean, std, episodes), a second apart."""
  columns = np.array(points, float).reshape(-1, 5).T
  steps, times = columns[0].astype(int), np.arange(len(points), dtype=float)
  names = ('evaluation_agent_steps', 'evaluation_return_mean',
           'evaluation_return_std', 'evaluation_episodes')
  return event_files.RoleEvents(
      {name: event_files.Series(steps, times, np.float32(values).astype(float))
       for name, values in zip(names, columns[1:])}, [(0.0, 1.0)])


def test_what_the_status_has_is_taken_from_it():
  status = made_runs.make_status([
      made_runs.make_evaluation(100, [0.1, 0.2]),
      made_runs.make_evaluation(200, [0.3, 0.7], final=True)])
  events = _events([(100, 1000, 0.15, 0.05, 2), (200, 2000, 0.5, 0.2, 2)])
  assert evaluations.merge(status, events) == [
      evaluations.Point(100, 1000, 4000, 100 / 60, pytest.approx(0.15),
                        pytest.approx(0.05), 2),
      evaluations.Point(200, 2000, 8000, 200 / 60, pytest.approx(0.5),
                        pytest.approx(0.2), 2)]


def test_what_was_thinned_out_comes_from_the_event_files():
  status = made_runs.make_status([
      made_runs.make_evaluation(100, [1.0]),
      made_runs.make_evaluation(300, [3.0])])
  events = _events([(100, 1000, 1, 0, 1), (200, 1500, 7, 2.5, 4),
                    (300, 3000, 3, 0, 1)])
  points = evaluations.merge(status, events)
  assert [point.learner_step for point in points] == [100, 200, 300]
  # A quarter of the way from 1000 to 3000 agent steps; 4 frames each.
  assert points[1] == evaluations.Point(
      200, 1500, 6000, pytest.approx((100 + 0.25 * 200) / 60), 7.0, 2.5, 4)


def test_the_same_version_twice_is_there_twice():
  twice = [made_runs.make_evaluation(100, [1.0], wall_seconds=seconds)
           for seconds in (100.0, 130.0)]
  events = _events([(100, 1000, 1, 0, 1), (100, 1000, 1, 0, 1)])
  assert len(evaluations.merge(made_runs.make_status(twice), events)) == 2
  assert len(evaluations.merge(made_runs.make_status(twice[:1]), events)) == 2


def test_what_a_restart_took_back_is_left_out():
  status = made_runs.make_status([made_runs.make_evaluation(250, [2.0])])
  events = _events([
      (300, 3000, 9, 0, 1),  # Killed; it went on from step 200.
      (250, 3500, 2, 0, 1),
      (900, 9000, 9, 0, 1)])  # Killed again; the newest status is at 500.
  assert [p.learner_step for p in evaluations.merge(status, events)] == [250]


def test_one_that_breaks_off_is_left_out():
  events = _events([(100, 1000, 1, 0, 1)])
  del events.series['evaluation_episodes']
  assert evaluations.merge(made_runs.make_status([]), events) == []


def test_without_event_files():
  status = made_runs.make_status([made_runs.make_evaluation(100, [1.0])])
  assert len(evaluations.merge(status, event_files.NO_EVENTS)) == 1
