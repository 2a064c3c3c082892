"""Which arms a study has, and which it refuses."""

import math

import pytest

from apex_tf import exploration
from apex_tf.experiments import studies


def _fields(arms, *paths):
  return [tuple(arm.overrides.get(path) for path in paths) for arm in arms]


def test_actors_hold_the_rate_of_one_actor_to_the_learner(config):
  arms = studies.STUDIES['actors'].arms(config, ['1', '8', '12', '32', '256'])
  assert [arm.label for arm in arms] == [
      '1 actor', '8 actors', '12 actors', '32 actors', '256 actors']
  # A learner step takes batch / ratio inserts, a 32nd of 64 / 8 an actor.
  assert _fields(arms, 'actor.num_actors', 'actor.environments_per_actor',
                 'replay.samples_per_insert') == [
                     (1, 1, 256.0), (2, 4, 32.0), (2, 6, pytest.approx(64 / 3)),
                     (2, 16, 8.0), (2, 128, 1.0)]


def test_actors_by_default(config):
  study = studies.STUDIES['actors']
  assert study.defaults(config) == ['8', '16', '32', '64', '128']


def test_recency_inserts_as_often_as_all_actors_do(config):
  arms = studies.STUDIES['recency'].arms(config, ['8'])
  assert [arm.label for arm in arms] == [
      '32 actors', '4 actors', '4 actors, each transition 8 times']
  few, copies = arms[1:]
  # Four actors: an eighth of the transitions for each learner step.
  assert few.overrides == {
      'actor.num_actors': 2, 'actor.environments_per_actor': 2,
      'replay.samples_per_insert': 64.0}
  # And eight inserts of each: as many as of all actors.
  assert copies.overrides == {
      'actor.num_actors': 2, 'actor.environments_per_actor': 2,
      'replay.samples_per_insert': 8.0, 'replay.insert_copies': 8}


def test_one_epsilon_for_all_actors(config):
  ladder, fixed = studies.STUDIES['epsilons'].arms(config, ['0.1'])
  assert not ladder.overrides
  epsilons = exploration.epsilon_ladder(
      5, fixed.overrides['dqn.epsilon_base'],
      fixed.overrides['dqn.epsilon_alpha'])
  assert epsilons.tolist() == [0.1] * 5


def test_six_epsilons_span_the_ladder(config):
  values = studies.STUDIES['epsilons'].defaults(config)
  # 0.4^1, 0.4^2.4, 0.4^3.8, 0.4^5.2, 0.4^6.6, 0.4^8.
  assert values == [
      'six', '0.4', '0.11', '0.031', '0.0085', '0.0024', '0.00066']


def test_six_epsilons_shared_by_the_actors(config):
  study = studies.STUDIES['epsilons']
  ladder, shared = study.arms(config, ['six'])
  assert not ladder.overrides
  assert shared.label == 'six values, shared by the actors'
  assert shared.overrides == {'dqn.num_epsilons': 6}
  # Six environments have six epsilons anyway.
  config.actor.num_actors, config.actor.environments_per_actor = 2, 3
  assert study.defaults(config)[0] == '0.4'
  with pytest.raises(ValueError, match="values has 'six', but must have it "
                     'with more than 6 environments only: here there are 6'):
    study.arms(config, ['six'])


def test_prioritization(config):
  arms = studies.STUDIES['prioritization'].arms(
      config, ['uniform', 'td_error', 'maximum'])
  assert _fields(arms, 'replay.priority_exponent', 'replay.insert_priority'
                ) == [(0.0, None), (None, 'td_error'), (None, 'maximum')]


def test_capacity_n_step_and_eviction(config, dpg_config):
  study = studies.STUDIES['capacity']
  # 5,000, and 1000 batches of 64, each transition 8 times: 13,000.
  assert study.defaults(config) == ['6500', '13000']
  config.run.max_learner_steps = 10**6
  assert study.defaults(config) == ['62500', '125000', '250000', '500000']
  assert _fields(study.arms(config, ['62500']), 'replay.capacity') == [(62500,)]
  assert _fields(studies.STUDIES['n_step'].arms(config, ['1', '3']),
                 'agent.n_step') == [(1,), (3,)]
  arms = studies.STUDIES['eviction'].arms(dpg_config, ['fifo', '-0.4'])
  assert _fields(arms, 'replay.eviction', 'replay.eviction_exponent') == [
      ('fifo', None), ('prioritized', -0.4)]


def test_capacities_that_no_cell_fills(config):
  study = studies.STUDIES['capacity']
  assert len(study.arms(config, ['6500', '12999', '500000'])) == 3
  with pytest.raises(ValueError, match="values has '13000,500000', but must "
                     'have at most one capacity of 13,000 or more'):
    study.arms(config, ['6500', '13000', '500000'])


def test_an_eviction_of_nothing(dpg_config):
  dpg_config.replay.min_size = 1000
  dpg_config.replay.capacity = 5000
  dpg_config.replay.samples_per_insert = 16.0
  dpg_config.learner.batch_size = 64
  study = studies.STUDIES['eviction']
  # 1000 batches of 64, each transition 16 times: 4,000 and the first 1,000.
  with pytest.raises(ValueError, match='replay.capacity is 5000, but must be '
                     'less than 5000 in the study eviction'):
    study.arms(dpg_config, ['fifo'])
  dpg_config.replay.capacity = 4999
  study.arms(dpg_config, ['fifo'])


def test_epsilons_that_are_nearly_one(config):
  arms = studies.STUDIES['epsilons'].arms(config, ['0.1234567', '0.1234568'])
  assert len({arm.name for arm in arms}) == 3


def test_games(config):
  study = studies.STUDIES['games']
  config.run.max_learner_steps = 0
  config.run.max_minutes = 1.0
  arms = study.arms(config, study.defaults(config))
  assert [arm.name for arm in arms] == [
      'asterix', 'breakout', 'freeway', 'seaquest', 'space_invaders']
  config.environment.suite = 'atari'
  assert len(study.defaults(config)) == 57


def test_names_of_arms_differ(config, dpg_config):
  for study in studies.STUDIES.values():
    chosen = config if 'dqn' in study.agents else dpg_config
    arms = study.arms(chosen, study.defaults(chosen))
    assert len({arm.name for arm in arms}) == len(arms) > 1, study.name
    assert len({arm.label for arm in arms}) == len(arms), study.name


@pytest.mark.parametrize('study, value, message', [
    ('actors', '0', 'whole numbers from 1 to 100,000'),
    ('actors', '2.5', 'whole numbers from 1'),
    ('actors', '-3', 'whole numbers from 1'),
    ('capacity', '4999', 'whole numbers from 5,000 to 1,000,000,000'),
    ('recency', '5', 'divisors of the number of actors, 32'),
    ('recency', '1', 'whole numbers from 2 to 64'),
    ('epsilons', '1.01', 'numbers from 0 to 1'),
    ('epsilons', 'nan', 'numbers from 0 to 1'),
    ('epsilons', 'x', 'numbers from 0 to 1'),
    ('prioritization', 'per', 'some of td_error, maximum, uniform'),
    ('n_step', '65', 'whole numbers from 1 to 64'),
    ('games', 'pong', 'some of asterix, breakout'),
])
def test_values_out_of_range_are_named(config, study, value, message):
  with pytest.raises(ValueError) as error:
    studies.STUDIES[study].arms(config, [value])
  assert str(error.value).startswith(f'values has {value!r}, but must have ')
  assert message in str(error.value)


def test_eviction_exponents(dpg_config):
  for value in ('0.1', '-2.1', 'lifo'):
    with pytest.raises(ValueError, match=f"values has '{value}', but must have "
                       'numbers from -2 to 0, or fifo'):
      studies.STUDIES['eviction'].arms(dpg_config, [value])


@pytest.mark.parametrize('study, values', [
    ('n_step', ['3', '1', '3']), ('actors', ['8', '08']),
    ('epsilons', ['0.1', '.1']), ('epsilons', ['0.1', '1e-1']),
    ('prioritization', ['uniform', 'uniform'])])
def test_two_arms_of_one_configuration(config, study, values):
  with pytest.raises(ValueError) as error:
    studies.STUDIES[study].arms(config, values)
  assert str(error.value).startswith(
      f"values has {','.join(values)!r}, but must have values that differ: the "
      'arms ')


def test_the_ladder_is_no_single_epsilon(config):
  config.dqn.epsilon_alpha = 0.0
  study = studies.STUDIES['epsilons']
  assert study.defaults(config) == ['six', '0.4']
  with pytest.raises(ValueError, match="arms 'the ladder' and 'ε 0.4 for all'"):
    study.arms(config, ['0.4'])


def test_actors_share_processes_evenly(config):
  config.actor.num_actors = 14
  arms = studies.STUDIES['actors'].arms(config, ['360', '13', '17'])
  assert _fields(arms, 'actor.num_actors', 'actor.environments_per_actor') == [
      (12, 30), (13, 1), (1, 17)]


def test_the_agent_of_a_study(config, dpg_config):
  with pytest.raises(ValueError, match="agent.name is 'dqn', but must be dpg"):
    studies.STUDIES['eviction'].arms(config, ['fifo'])
  with pytest.raises(ValueError, match="agent.name is 'dpg', but must be dqn"):
    studies.STUDIES['epsilons'].arms(dpg_config, ['0.1'])


def test_the_learners_rate_is_to_be_held(config):
  config.replay.samples_per_insert = 0.0
  with pytest.raises(ValueError, match='replay.samples_per_insert is 0.0'):
    studies.STUDIES['actors'].arms(config, ['8'])
  config.replay.samples_per_insert = 8.0
  config.run.max_learner_steps = 0
  with pytest.raises(ValueError, match='run.max_learner_steps is 0'):
    studies.STUDIES['actors'].arms(config, ['8'])


def test_games_need_an_end(config):
  config.run.max_learner_steps = 0
  assert math.isinf(config.run.max_minutes)
  with pytest.raises(ValueError, match='run.max_agent_steps is 0'):
    studies.STUDIES['games'].arms(config, ['breakout'])
  config.environment.suite = 'gymnasium'
  with pytest.raises(ValueError, match="environment.suite is 'gymnasium'"):
    studies.STUDIES['games'].arms(config, ['breakout'])


def test_an_arm_is_needed(config):
  with pytest.raises(ValueError, match="values is '', but must have numbers"):
    studies.STUDIES['capacity'].arms(config, [])
