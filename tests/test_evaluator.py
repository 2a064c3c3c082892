"""Evaluations of scripted episodes, whose returns are known beforehand."""

import math
import time

import numpy as np
import pytest
import tensorflow as tf

from apex_tf import evaluator as evaluator_lib
from apex_tf import types
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from tests import scripted_environment

Episode = scripted_environment.Episode

_COUNTS = {'agent_steps': 123, 'environment_frames': 492,
           'wall_seconds': 50.0}
_ENDLESS = Episode((1.0,) * 10**6)


class _Policy(agents.Policy):
  """Always the same action; keeps the versions that it acted with."""

  def __init__(self):
    self.version = tf.Variable(-1.0)
    self.acted_with = []

  @property
  def variables(self):
    return [self.version]

  def __call__(self, observation):
    self.acted_with.append(float(self.version.numpy()))
    count = len(observation)
    zeros = np.zeros(count, np.float32)
    return types.PolicyOutput(np.zeros(count, np.int32), zeros, zeros)


def _make(episodes, num_episodes, max_seconds=60.0, game=''):
  """The evaluator, its policy, the publisher and the client."""
  learned = tf.Variable(7.0)
  publisher = variables_lib.VariablePublisher([learned])
  publisher.publish(7)
  policy = _Policy()
  client = variables_lib.VariableClient(publisher, policy.variables, 0,
                                        asynchronous=False)
  client.update_now()
  environment = scripted_environment.ScriptedEnvironment(
      scripted_environment.Script(episodes))
  return evaluator_lib.Evaluator(
      environment, policy, client, num_episodes, max_seconds,
      game), policy, publisher, client


def _go_on():
  return True


def test_by_hand():
  evaluator, _, _, _ = _make(
      [[Episode((1.0, 5.0)), Episode((2.0, 0.0), terminates=False)],
       [Episode((-1.0,) * 3, life_losses=(0,)), Episode((10.0,))]], 4)
  evaluation = evaluator.evaluate(_COUNTS, False, _go_on)
  # Raw returns, whole episodes: neither a life nor a bound counts.
  assert sorted(evaluation.returns) == [-3.0, 2.0, 6.0, 10.0]
  assert evaluation.mean == 3.75
  assert evaluation.std == pytest.approx(np.sqrt(
      (6.75**2 + 1.75**2 + 2.25**2 + 6.25**2) / 4))
  assert (evaluation.complete, evaluation.final) == (True, False)
  assert (evaluation.agent_steps, evaluation.environment_frames) == (123, 492)
  assert evaluation.wall_seconds >= 50.0
  assert evaluation.learner_step == 7
  assert evaluation.human_normalized is None


@pytest.mark.parametrize('num_episodes, shares', [
    (4, (2, 2)), (5, (3, 2)), (1, (1, 0)), (2, (1, 1))])
def test_short_episodes_are_not_favoured(num_episodes, shares):
  """The short ones return 0 and the long ones 10: taking whichever end first
  would see hardly any of the long."""
  evaluator, _, _, _ = _make(
      [[Episode((0.0,))], [Episode((0.5,) * 20)]], num_episodes)
  evaluation = evaluator.evaluate(_COUNTS, False, _go_on)
  assert evaluation.complete
  assert (evaluation.returns.count(0.0), evaluation.returns.count(10.0)) == (
      shares)
  assert evaluation.mean == 10.0 * shares[1] / num_episodes


def test_evaluates_one_version_from_begin_to_end():
  evaluator, policy, publisher, client = _make(
      [[Episode((1.0,) * 50)]] * 3, 6)
  publisher.publish(8)  # Newer than what was fetched.
  evaluation = evaluator.evaluate(_COUNTS, True, _go_on)
  assert evaluation.learner_step == 7
  assert evaluation.final
  assert set(policy.acted_with) == {7.0}
  assert client.learner_step == 7
  client.update_now()
  assert evaluator.evaluate(_COUNTS, True, _go_on).learner_step == 8


def test_every_evaluation_begins_with_new_episodes():
  evaluator, _, _, _ = _make(
      [[Episode((0.0,)), Episode((1.0,) * 30), Episode((5.0,))],
       [Episode((0.0,) * 4), Episode((0.0,)), Episode((7.0,))]], 2)
  assert evaluator.evaluate(_COUNTS, False, _go_on).returns == [0.0, 0.0]
  # The second episode of the first was begun by then, and is left.
  assert evaluator.evaluate(_COUNTS, False, _go_on).returns == [5.0, 0.0]


def test_time_ends_an_evaluation_with_what_it_has():
  evaluator, _, _, _ = _make([[Episode((2.0,))], [_ENDLESS]], 6, 2.0)
  start = time.monotonic()
  evaluation = evaluator.evaluate(_COUNTS, True, _go_on)
  assert time.monotonic() - start < 20.0
  assert evaluation.returns == [2.0] * 3
  assert evaluation.mean == 2.0
  assert (evaluation.complete, evaluation.final) == (False, True)


def test_no_episode_in_time_is_no_evaluation():
  evaluator, _, _, _ = _make([[_ENDLESS]], 1, 0.1)
  assert evaluator.evaluate(_COUNTS, False, _go_on) is None


def test_gives_up_when_told_to():
  evaluator, _, _, _ = _make([[Episode((2.0,))], [_ENDLESS]], 2)
  asked = []

  def keep_going():
    asked.append(time.monotonic())
    return False

  start = time.monotonic()
  assert evaluator.evaluate(_COUNTS, False, keep_going) is None
  assert len(asked) == 1
  assert time.monotonic() - start < 20.0


_BROKEN = Episode((9.0,) * 3, breaks=True)


def test_episodes_that_broke_off_are_counted_and_no_result():
  evaluator, _, _, _ = _make(
      [[_BROKEN, Episode((1.0,) * 4), _BROKEN], [Episode((2.0,))]], 4)
  evaluation = evaluator.evaluate(_COUNTS, False, _go_on)
  # By hand: the first one plays broken, 4, broken, broken, 4.
  assert sorted(evaluation.returns) == [2.0, 2.0, 4.0, 4.0]
  assert evaluation.complete
  assert evaluation.broken_episodes == 3
  # Its own alone: the script goes on with broken, broken, 4, twice.
  evaluation = evaluator.evaluate(_COUNTS, False, _go_on)
  assert sorted(evaluation.returns) == [2.0, 2.0, 4.0, 4.0]
  assert evaluation.broken_episodes == 4


def test_gives_up_where_every_episode_breaks(caplog):
  evaluator, policy, _, _ = _make([[_BROKEN], [_BROKEN]], 2, math.inf)
  assert evaluator.evaluate(_COUNTS, True, _go_on) is None
  # More than 20 broken, two in every fourth step: 22 after 44.
  assert len(policy.acted_with) == 44
  (record,) = [r for r in caplog.records if r.levelname == 'ERROR']
  assert record.getMessage() == (
      'the environment: the evaluation is given up, because no episode ended '
      'and 22 broke off')


def test_one_episode_that_ends_keeps_an_evaluation_going():
  evaluator, _, _, _ = _make(
      [[Episode((2.0,)), *[_BROKEN] * 50], [Episode((1.0,) * 9)]], 3)
  evaluation = evaluator.evaluate(_COUNTS, True, _go_on)
  assert sorted(evaluation.returns) == [2.0, 2.0, 9.0]
  assert evaluation.broken_episodes == 50


def test_human_normalized():
  # Pong: -20.7 by random play, 14.6 by a human.
  evaluator, _, _, _ = _make([[Episode((-3.0,) * 2 + (1.0,))]], 3, game='pong')
  evaluation = evaluator.evaluate(_COUNTS, False, _go_on)
  assert evaluation.mean == -5.0
  assert evaluation.human_normalized == pytest.approx(100 * 15.7 / 35.3)


def test_a_game_without_reference_scores():
  evaluator, _, _, _ = _make([[Episode((1.0,))]], 1, game='space_war')
  evaluation = evaluator.evaluate(_COUNTS, False, _go_on)
  assert evaluation.human_normalized is None


def test_knows_what_it_has_measured():
  evaluator, _, publisher, client = _make([[Episode((1.0,))]] * 3, 3)
  assert not evaluator.has_measured_newest
  assert evaluator.evaluate(_COUNTS, False, _go_on) is not None
  assert evaluator.has_measured_newest
  publisher.publish(8)
  assert evaluator.has_measured_newest  # Of what was fetched.
  client.update_now()
  assert not evaluator.has_measured_newest


def test_an_evaluation_that_came_to_nothing_has_measured_nothing():
  evaluator, _, _, _ = _make([[_ENDLESS]], 1, max_seconds=0.2)
  assert evaluator.evaluate(_COUNTS, False, _go_on) is None
  assert not evaluator.has_measured_newest
