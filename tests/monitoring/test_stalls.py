"""Who is said to stall, when, and when no longer; by hand, second by second."""

import pytest

from apex_tf.monitoring import stalls
from apex_tf.monitoring import status as status_lib


class _Run:
  """A run of two actors and an evaluator that goes on as the test says."""

  def __init__(self):
    self.now = 500.0
    self.watch = stalls.StallWatch(2, clock=lambda: self.now)
    self.speaking = {'actor_0', 'actor_1', 'evaluator'}
    self.acting = {'0', '1'}
    self.learning = True
    self.answers = True
    self.status = status_lib.RunStatus(
        phase=status_lib.LEARNING,
        replay=status_lib.ReplayStatus(size=5000, min_size=1000),
        actors={index: status_lib.ActorReport(incarnation=index)
                for index in '01'})

  def run(self, seconds):
    """Looks once a second; the last look."""
    for _ in range(seconds):
      self.now += 1
      for role in self.speaking:
        self.watch.heard(role)
      for index in self.acting:
        self.status.actors[index].agent_steps += 5
      self.status.learner_steps += self.learning
      if self.status.replay.waiting_side:
        self.status.replay.waiting_seconds += 1
      found = self.watch.update(self.status, self.answers)
    return found


@pytest.fixture
def run():
  return _Run()


def test_a_run_that_gets_on(run):
  assert run.run(300) == ([], [], [])


def test_a_silent_actor(run):
  run.run(10)
  run.speaking.remove('actor_1')
  run.acting.remove('1')
  assert run.run(29).now == []
  line = 'actor_1 has not reported for 30 s'
  assert run.run(1) == ([line], [line], [])
  later = 'actor_1 has not reported for 31 s'
  assert run.run(1) == ([later], [], [])
  run.speaking.add('actor_1')
  run.acting.add('1')
  assert run.run(1) == ([], [], [later])


def test_a_silent_evaluator(run):
  run.run(10)
  run.speaking.remove('evaluator')
  assert run.run(95).now == ['evaluator has not reported for 1 min 35 s']


def test_roles_that_never_report(run):
  run.speaking = {'actor_0'}
  del run.status.actors['1']
  run.acting = {'0'}
  assert run.run(59).now == []
  assert run.run(1).now == [
      'actor_1 has not reported since the start, 1 min ago',
      'evaluator has not reported since the start, 1 min ago']


def test_an_actor_that_reports_but_does_not_act(run):
  run.run(10)
  run.acting.remove('0')
  assert run.run(29).now == []
  assert run.run(1).now == ['actor_0 has made no step for 30 s']
  # One that was started again begins with no step.
  run.status.actors['0'] = status_lib.ActorReport(incarnation='new')
  assert run.run(1).now == []


def test_a_learner_without_enough_in_replay(run):
  run.status.phase = status_lib.FILLING
  run.learning = False
  run.status.replay = status_lib.ReplayStatus(
      size=812, min_size=1000, waiting_side='learner')
  run.speaking = {'evaluator'}
  run.acting = set()
  run.status.actors = {}
  # It takes the actors 50 seconds to start: so far no one stalls.
  assert run.run(50).now == []
  run.speaking = {'actor_0', 'actor_1', 'evaluator'}
  assert run.run(30).now == []
  assert run.run(1).now == [
      'learner has waited 1 min 21 s: replay 812 of 1,000 items']


def test_a_learner_that_waits_for_the_actors(run):
  run.run(60)
  run.learning = False
  run.status.replay.waiting_side = 'learner'
  run.status.replay.samples_per_insert = 4.0
  assert run.run(29).now == []
  assert run.run(1).now == [
      'learner has waited 30 s: replay waits for the actors (4.00 samples per '
      'insert)']


def test_actors_that_wait_for_a_learner_that_does_not_step(run):
  run.run(60)
  run.learning, run.acting = False, set()
  run.status.replay.waiting_side = 'actors'
  assert run.run(29).now == []
  assert run.run(2).now == [
      'actors have waited 31 s to insert: replay waits for the learner',
      'learner has made no step for 31 s']


def test_actors_that_are_only_slowed_down(run):
  run.run(60)
  run.status.replay.waiting_side = 'actors'
  for _ in range(100):
    run.status.replay.waiting_seconds = 0.0
    assert run.run(1).now == []


def test_a_learner_that_is_not_held_back(run):
  run.run(60)
  run.learning = False
  assert run.run(29).now == []
  assert run.run(1).now == ['learner has made no step for 30 s']


def test_replay_that_does_not_answer(run):
  run.run(100)
  run.answers = run.learning = False
  run.acting = set()
  # What was last known of it is not repeated as if it were of now.
  run.status.replay.waiting_side = 'learner'
  run.status.replay.waiting_seconds = 100.0
  assert run.run(29).now == []
  # From the first look that had no answer on.
  assert run.run(2).now == ['replay has not answered for 30 s']
  run.answers = run.learning = True
  run.acting = {'0', '1'}
  run.status.replay.waiting_side = ''
  assert run.run(1).ended == ['replay has not answered for 30 s']


def test_replay_that_starts_slowly(run):
  run.answers = run.learning = False
  assert run.run(59).now == []
  assert run.run(1).now == ['replay has not answered for 59 s']


def test_a_watch_that_was_stopped_itself_accuses_no_one(run):
  run.run(100)
  run.now += 3600.0
  run.speaking = set()
  run.acting = set()
  run.learning = False
  # The hour counts as five seconds.
  assert run.run(24).now == []
  assert set(run.run(2).now) == {
      'actor_0 has not reported for 30 s', 'actor_1 has not reported for 30 s',
      'evaluator has not reported for 30 s',
      'learner has made no step for 30 s'}


@pytest.mark.parametrize('phase', [
    status_lib.STOPPING, status_lib.FINAL_EVALUATION, status_lib.DONE])
def test_a_run_that_ends_does_not_stall(run, phase):
  run.run(60)
  run.speaking = set()
  assert run.run(40).now
  run.status.phase = phase
  assert run.run(1).now == []


def test_who_is_there_is_known(run):
  assert run.watch.reporting_actors == []
  run.run(1)
  assert run.watch.reporting_actors == ['0', '1']
  run.speaking.remove('actor_0')
  run.run(9)
  assert run.watch.reporting_actors == ['0', '1']
  run.run(1)
  assert run.watch.reporting_actors == ['1']
  run.speaking.add('actor_0')
  run.run(1)
  assert run.watch.reporting_actors == ['0', '1']


def test_many_silent_actors_are_one_line():
  now = [0.0]
  watch = stalls.StallWatch(360, clock=lambda: now[0])
  status = status_lib.RunStatus(
      phase=status_lib.LEARNING,
      replay=status_lib.ReplayStatus(size=5000, min_size=1000))

  def look(speaking, seconds):
    for _ in range(seconds):
      now[0] += 1
      for index in speaking:
        watch.heard(f'actor_{index}')
      watch.heard('evaluator')
      status.learner_steps += 1
      found = watch.update(status, True)
    return found

  look(range(360), 5)
  there = [index for index in range(360) if index not in (3, 5) and index < 100]
  assert look(there, 29).now == []
  line = '262 of 360 actors do not report: 3, 5, 100-359'
  found = look(there, 1)
  assert found.now == found.begun == [line]
  # It is one stall, however many have come back.
  found = look([*there, 3, 5], 1)
  assert found == (
      ['260 of 360 actors do not report: 100-359'], [], [])
  found = look([*there, 3, 5, *range(100, 359)], 1)
  assert found.now == ['actor_359 has not reported for 32 s']
  assert found.ended == ['260 of 360 actors do not report: 100-359']
