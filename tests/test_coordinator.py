"""Counts, limits and phases of a run, with a clock that the test moves."""

import dataclasses
import json
import math
import threading

import pytest

from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf.monitoring import status as status_lib


class _Clock:
  """Seconds, as the test has them."""

  def __init__(self):
    self.now = 1000.0

  def __call__(self):
    return self.now


@pytest.fixture
def clock():
  return _Clock()


@pytest.fixture
def make(clock):
  return lambda **limits: coordinator_lib.Coordinator(
      config_lib.RunConfig(**limits), clock)


def _actor(incarnation='a', **counts):
  return dataclasses.asdict(
      status_lib.ActorReport(incarnation=incarnation, **counts))


def _evaluation(learner_step, mean, final=False, complete=True,
                wall_seconds=1.5):
  return dataclasses.asdict(status_lib.Evaluation(
      learner_step=learner_step, agent_steps=10, environment_frames=40,
      wall_seconds=wall_seconds, returns=[mean - 1, mean + 1],
      complete=complete, final=final, mean=mean, std=1.0))


def test_phases_of_a_run_without_limits(make, clock):
  coordinator = make()
  assert coordinator.get_phase() == status_lib.FILLING
  clock.now += 30
  assert coordinator.report_learner(0) == status_lib.FILLING
  assert coordinator.report_actor(0, _actor(agent_steps=10**9)) == (
      status_lib.FILLING)
  assert coordinator.report_learner(1) == status_lib.LEARNING
  clock.now += 10**9
  assert coordinator.report_evaluation(_evaluation(5, 1e9)) == (
      status_lib.LEARNING)
  assert coordinator.report_learner(10**9) == status_lib.LEARNING
  assert coordinator.status().stop_reason == ''
  assert coordinator.status().learning_seconds == 10**9
  assert coordinator.wall_seconds == 10**9 + 30


def test_a_final_evaluation_is_no_learning(make, clock):
  coordinator = make(max_learner_steps=2)
  coordinator.report_learner(1)
  clock.now += 20
  coordinator.report_learner(2)
  clock.now += 7
  coordinator.report_evaluation(_evaluation(2, 1.0, final=True))
  status = coordinator.status()
  assert (status.phase, status.learning_seconds) == (status_lib.DONE, 20)
  assert status.wall_seconds == 27


@pytest.mark.parametrize('learning', [True, False])
def test_max_minutes(make, clock, learning):
  coordinator = make(max_minutes=2.0)
  if learning:
    coordinator.report_learner(1)
  before = coordinator.get_phase()
  clock.now += 119.9
  assert coordinator.check_limits() == before
  clock.now += 0.2
  assert coordinator.check_limits() == status_lib.STOPPING
  assert coordinator.status().stop_reason == 'max_minutes'


def test_max_learner_steps(make):
  coordinator = make(max_learner_steps=50)
  assert coordinator.report_learner(49) == status_lib.LEARNING
  assert coordinator.report_learner(50) == status_lib.STOPPING
  assert coordinator.status().stop_reason == 'max_learner_steps'


def test_max_agent_steps_counts_all_actors(make):
  coordinator = make(max_agent_steps=100)
  assert coordinator.report_actor(0, _actor(agent_steps=60)) == (
      status_lib.FILLING)
  assert coordinator.report_actor(3, _actor(agent_steps=39)) == (
      status_lib.FILLING)
  assert coordinator.report_actor(3, _actor(agent_steps=40)) == (
      status_lib.STOPPING)
  assert coordinator.status().stop_reason == 'max_agent_steps'


def test_target_return_needs_a_complete_evaluation(make):
  coordinator = make(target_return=475.0)
  coordinator.report_learner(1)
  assert coordinator.report_evaluation(_evaluation(1, 474.9)) == (
      status_lib.LEARNING)
  assert coordinator.report_evaluation(
      _evaluation(2, 500.0, complete=False)) == status_lib.LEARNING
  assert coordinator.report_evaluation(
      _evaluation(2, 500.0, wall_seconds=2.0)) == status_lib.LEARNING
  assert coordinator.report_evaluation(
      _evaluation(2, 475.0, wall_seconds=3.0)) == status_lib.STOPPING
  assert coordinator.status().stop_reason == 'target_return'


def test_target_return_is_reached_twice_by_one_version(make):
  coordinator = make(target_return=475.0)
  coordinator.report_learner(1)
  for seconds, (step, mean) in enumerate([
      (1, 500.0), (2, 500.0), (2, 474.9), (2, 475.0), (3, 475.0)]):
    evaluation = _evaluation(step, mean, wall_seconds=float(seconds))
    for _ in range(2):  # A report that comes twice is one evaluation.
      assert coordinator.report_evaluation(evaluation) == status_lib.LEARNING
  assert coordinator.report_evaluation(
      _evaluation(3, 475.0, wall_seconds=9.0)) == status_lib.STOPPING


def test_a_negative_target_return(make):
  coordinator = make(target_return=-100.0)
  assert coordinator.report_evaluation(_evaluation(1, -100.5)) == (
      status_lib.FILLING)
  coordinator.report_evaluation(_evaluation(2, -99.5))
  assert coordinator.report_evaluation(
      _evaluation(2, -100.0, wall_seconds=2.0)) == status_lib.STOPPING


def test_the_first_reason_stays(make, clock):
  coordinator = make(max_learner_steps=5, max_minutes=1.0)
  coordinator.report_learner(5)
  clock.now += 1000
  assert coordinator.check_limits() == status_lib.STOPPING
  coordinator.finish()
  assert coordinator.get_phase() == status_lib.DONE
  assert coordinator.status().stop_reason == 'max_learner_steps'


def test_the_final_evaluation_ends_the_run(make):
  coordinator = make(max_learner_steps=5, target_return=10.0)
  coordinator.report_learner(5)
  # One that was under way when the limit was reached is not the final one.
  assert coordinator.report_evaluation(_evaluation(4, 20.0)) == (
      status_lib.STOPPING)
  assert coordinator.report_evaluation(
      _evaluation(5, 20.0, final=True)) == status_lib.DONE
  assert coordinator.status().stop_reason == 'max_learner_steps'
  assert coordinator.report_learner(6) == status_lib.DONE
  assert coordinator.report_actor(0, _actor()) == status_lib.DONE
  assert coordinator.check_limits() == status_lib.DONE


def test_finish_ends_it_from_any_phase(make):
  coordinator = make()
  coordinator.finish()
  assert coordinator.report_learner(3) == status_lib.DONE
  assert coordinator.status().stop_reason == ''


@pytest.mark.parametrize('evaluated', [True, False])
def test_the_clock_of_a_run_that_is_over_stands(make, clock, evaluated):
  coordinator = make(max_learner_steps=5)
  clock.now += 30
  coordinator.report_learner(5)
  coordinator.begin_final_evaluation()
  clock.now += 10
  if evaluated:
    coordinator.report_evaluation(_evaluation(5, 1.0, final=True))
  coordinator.finish()
  clock.now += 3600  # Of one that stays for those who come later.
  coordinator.finish()
  assert coordinator.wall_seconds == 40
  assert coordinator.status().wall_seconds == 40
  assert coordinator.get_state()['wall_seconds'] == 40


def test_a_report_that_comes_twice_changes_nothing(make):
  coordinator = make()
  report = _actor(agent_steps=7, environment_frames=28, episodes=2)
  evaluation = _evaluation(5, 3.0)
  for _ in range(3):
    coordinator.report_actor(0, report)
    coordinator.report_learner(9)
    coordinator.report_evaluation(evaluation)
  status = coordinator.status()
  assert (status.agent_steps, status.environment_frames, status.episodes,
          status.learner_steps) == (7, 28, 2, 9)
  assert [e.learner_step for e in status.evaluations] == [5]


def test_the_final_evaluation_of_a_version_is_another_one(make):
  coordinator = make(max_learner_steps=5)
  coordinator.report_learner(5)
  for final in (False, True, True, False):
    coordinator.report_evaluation(_evaluation(5, 3.0, final))
  assert [e.final for e in coordinator.status().evaluations] == [False, True]


def test_counts_do_not_go_back_when_an_actor_restarts(make):
  coordinator = make()
  totals = []
  for index, report in [
      (0, _actor('a', agent_steps=50, environment_frames=200, episodes=5,
                 broken_episodes=2)),
      (1, _actor('b', agent_steps=30, environment_frames=120, episodes=3)),
      (0, _actor('c', agent_steps=0)),
      (0, _actor('c', agent_steps=10, environment_frames=40, episodes=1)),
      # The predecessor's last words, delivered late.
      (0, _actor('a', agent_steps=55, environment_frames=220, episodes=5,
                 broken_episodes=3)),
      (0, _actor('c', agent_steps=11, environment_frames=44, episodes=1,
                 broken_episodes=1)),
  ]:
    coordinator.report_actor(index, report)
    status = coordinator.status()
    totals.append((status.agent_steps, status.environment_frames,
                   status.episodes))
  assert totals == [(50, 200, 5), (80, 320, 8), (80, 320, 8), (90, 360, 9),
                    (95, 380, 9), (96, 384, 9)]
  assert coordinator.status().broken_episodes == 3 + 1
  # The newest incarnation speaks for the actor.
  assert coordinator.status().actors['0'].incarnation == 'c'
  assert coordinator.status().actors['0'].agent_steps == 11
  assert set(coordinator.status().actors) == {'0', '1'}


def test_counts_for_an_evaluation(make, clock):
  coordinator = make()
  coordinator.report_actor(0, _actor(agent_steps=5, environment_frames=20))
  coordinator.report_actor(1, _actor(agent_steps=6, environment_frames=24))
  clock.now += 12.5
  assert coordinator.get_counts() == {
      'agent_steps': 11, 'environment_frames': 44, 'wall_seconds': 12.5}


def test_status_is_a_copy(make):
  coordinator = make()
  coordinator.report_actor(0, _actor(agent_steps=5))
  status = coordinator.status()
  status.actors['0'].agent_steps = 1
  status.evaluations.append(None)
  status.phase = 'mine'
  assert coordinator.status().actors['0'].agent_steps == 5
  assert coordinator.status().evaluations == []
  assert coordinator.get_phase() == status_lib.FILLING


def test_status_survives_json(make, clock):
  coordinator = make(max_learner_steps=10)
  coordinator.report_actor(0, _actor(agent_steps=5, recent_returns=[1.0, 2.5]))
  coordinator.report_actor(11, _actor('b', exploration='ε 0.4'))
  coordinator.report_learner(3)
  clock.now += 4.0
  coordinator.report_evaluation(_evaluation(2, 0.5))
  coordinator.report_evaluation({
      **_evaluation(3, 0.5), 'human_normalized': 12.5})
  coordinator.report_learner(10)
  status = coordinator.status()
  text = status.to_json()
  assert status_lib.RunStatus.from_json(text) == status
  data = json.loads(text)
  assert data['stop_reason'] == 'max_learner_steps'
  assert data['actors']['11']['exploration'] == 'ε 0.4'
  assert data['evaluations'][1]['human_normalized'] == 12.5


def test_the_status_of_a_run_before_broken_episodes_were_counted(make):
  coordinator = make()
  coordinator.report_actor(0, _actor(agent_steps=5))
  coordinator.report_evaluation(_evaluation(2, 0.5))
  status = coordinator.status()
  data = json.loads(status.to_json())
  for record in (data, data['actors']['0'], data['evaluations'][0]):
    assert record.pop('broken_episodes') == 0
  assert status_lib.RunStatus.from_json(json.dumps(data)) == status


def test_reports_from_many_threads(make):
  coordinator = make(max_agent_steps=8 * 200)
  phases = []

  def report(index):
    for count in range(1, 201):
      phases.append(coordinator.report_actor(
          index, _actor(str(index), agent_steps=count)))

  threads = [threading.Thread(target=report, args=(i,)) for i in range(8)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert coordinator.status().agent_steps == 8 * 200
  assert coordinator.get_phase() == status_lib.STOPPING
  # Whose report reached it, and who had reported just before.
  assert phases.count(status_lib.STOPPING) >= 1


def test_no_limit_is_infinite_or_zero():
  run = config_lib.RunConfig()
  assert run.max_minutes == run.target_return == math.inf
  assert run.max_learner_steps == run.max_agent_steps == 0


def test_final_evaluation_begins_once_the_learner_has_published(make):
  coordinator = make(max_learner_steps=5)
  coordinator.begin_final_evaluation()
  assert coordinator.get_phase() == status_lib.FILLING
  assert coordinator.report_learner(5) == status_lib.STOPPING
  coordinator.begin_final_evaluation()
  assert coordinator.get_phase() == status_lib.FINAL_EVALUATION
  assert coordinator.check_limits() == status_lib.FINAL_EVALUATION


def test_a_long_run_keeps_the_best_and_the_newest_evaluation(make):
  coordinator = make()
  means = [float(step % 997) for step in range(3000)]
  for step, mean in enumerate(means):
    coordinator.report_evaluation(_evaluation(step, mean))
    # One of which few episodes have ended is not the best.
    coordinator.report_evaluation(_evaluation(
        step, 2000.0, wall_seconds=2.0, complete=False))
  kept = coordinator.status().evaluations
  assert 80 < len(kept) <= 200
  assert max(e.mean for e in kept if e.complete) == max(means)
  assert kept[-1].learner_step == 2999
  steps = [e.learner_step for e in kept]
  assert steps == sorted(steps)


def test_a_version_keeps_the_steps_that_it_was_first_fetched_at(make):
  coordinator = make(target_return=10.0)
  for seconds, agent_steps in ((1.0, 100), (2.0, 130), (9.0, 170)):
    coordinator.report_evaluation({
        **_evaluation(5, 10.0, wall_seconds=seconds, final=seconds == 9.0),
        'agent_steps': agent_steps, 'environment_frames': 4 * agent_steps})
  coordinator.report_evaluation({
      **_evaluation(6, 10.0, wall_seconds=9.5), 'agent_steps': 180})
  evaluations = coordinator.status().evaluations
  assert [e.agent_steps for e in evaluations] == [100, 100, 100, 180]
  assert [e.environment_frames for e in evaluations[:3]] == [400] * 3
  assert [e.wall_seconds for e in evaluations] == [1.0, 2.0, 9.0, 9.5]


@pytest.mark.parametrize('before', range(195, 203))
def test_a_target_is_reached_when_old_evaluations_are_thinned(make, before):
  coordinator = make(target_return=10.0)
  for step in range(before):
    coordinator.report_evaluation(_evaluation(step, float(step % 7)))
  for seconds in (2.0, 3.0):
    phase = coordinator.report_evaluation(
        _evaluation(before, 10.0, wall_seconds=seconds))
  assert phase == status_lib.STOPPING


def test_a_reached_target_is_told_from_other_limits(make):
  coordinator = make(target_return=10.0)
  assert not coordinator.reached_target
  coordinator.report_evaluation(_evaluation(5, 10.0))
  assert not coordinator.reached_target
  coordinator.report_evaluation(_evaluation(5, 10.0, wall_seconds=2.0))
  assert coordinator.reached_target
  coordinator = make(max_learner_steps=1)
  coordinator.report_learner(1)
  assert not coordinator.reached_target


def test_counts_of_actors_that_live_on_are_not_counted_twice(make):
  first = make()
  first.report_actor(0, _actor('a', agent_steps=50, episodes=5))
  first.report_actor(0, _actor('b', agent_steps=7, episodes=1))
  first.report_actor(1, _actor('c', agent_steps=30, episodes=3))
  second = make(max_agent_steps=100)
  second.set_state(json.loads(json.dumps(first.get_state())))
  assert (second.status().agent_steps, second.status().episodes) == (87, 9)
  # Only who reports to this process is there.
  assert second.status().actors == {}
  second.report_actor(0, _actor('b', agent_steps=9, episodes=1))
  assert (second.status().agent_steps, second.status().episodes) == (89, 9)
  assert list(second.status().actors) == ['0']
  assert second.status().actors['0'].agent_steps == 9
  # A new one begins at 0.
  assert second.report_actor(1, _actor('d', agent_steps=10)) == (
      status_lib.FILLING)
  assert second.report_actor(1, _actor('d', agent_steps=11)) == (
      status_lib.STOPPING)


def test_a_clock_of_another_process_says_nothing(make, clock):
  first = make(max_minutes=2.0)
  clock.now += 40
  first.report_learner(10)
  clock.now += 50
  state = first.get_state()
  clock.now = -5e9
  second = make(max_minutes=2.0)
  second.set_state(state)
  assert second.wall_seconds == 90
  assert second.get_phase() == status_lib.FILLING
  assert second.status().learner_steps == 10
  clock.now += 20
  assert second.status().learning_seconds == 50
  assert second.report_learner(11) == status_lib.LEARNING
  clock.now += 9
  assert second.status().learning_seconds == 59
  assert second.get_state()['learning_seconds'] == 59
  assert second.check_limits() == status_lib.LEARNING
  clock.now += 2
  assert second.check_limits() == status_lib.STOPPING


def test_the_clock_goes_on_from_what_the_run_has_taken(make, clock):
  first = make(max_minutes=2.0)
  clock.now += 40
  first.report_learner(10)
  state = first.get_state()
  second = make(max_minutes=2.0)
  second.set_state(state)
  second.count_on_from(39.0)  # Of a status that is older.
  assert second.wall_seconds == 40
  second.count_on_from(100.0)
  clock.now += 5
  assert second.wall_seconds == 105
  # Of learning it says nothing.
  assert second.status().learning_seconds == 0
  second.report_learner(11)
  clock.now += 14
  assert second.check_limits() == status_lib.LEARNING
  assert second.status().learning_seconds == 14
  clock.now += 2
  assert second.check_limits() == status_lib.STOPPING
