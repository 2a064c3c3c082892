"""Numbers and names as people read them."""

import math

import pytest

from apex_tf import config as config_lib
from apex_tf import formatting as fmt


def test_episodes():
  assert [fmt.episodes(number) for number in (0, 1, 20)] == [
      '0 episodes', '1 episode', '20 episodes']
  assert [fmt.broken_off(number) for number in (0, 1, 20)] == [
      '', '; 1 episode broke off', '; 20 episodes broke off']


@pytest.mark.parametrize('suite, field, task, name', [
    ('gymnasium', 'id', 'Acrobot-v1', 'Acrobot-v1'),
    ('control', 'id', 'walker:stand', 'walker:stand'),
    ('atari', 'game', 'ms_pacman', 'Atari Ms Pacman'),
    ('minatar', 'game', 'breakout', 'MinAtar Breakout'),
])
def test_task_name(suite, field, task, name):
  config = config_lib.Config()
  config.environment.suite = suite
  setattr(config.environment, field, task)
  assert fmt.task_name(config) == name


@pytest.mark.parametrize('agent, name', [
    ('dqn', 'Ape-X DQN'), ('dpg', 'Ape-X DPG')])
def test_agent_name(agent, name):
  config = config_lib.Config()
  config.agent.name = agent
  assert fmt.agent_name(config) == name


@pytest.mark.parametrize('value, text', [
    (0, '0'), (812, '812'), (12_345, '12,345'), (999_999, '999,999'),
    (12_345_678, '12.35M'), (2.5e9, '2.50G'), (-1234, '-1,234'),
    (math.nan, 'nan'), (math.inf, 'inf')])
def test_count(value, text):
  assert fmt.count(value) == text


@pytest.mark.parametrize('value, text', [
    (0.0, '0.00'), (0.516, '0.52'), (92.14, '92.1'), (3412.2, '3,412')])
def test_rate(value, text):
  assert fmt.rate(value) == text


@pytest.mark.parametrize('value, text', [
    (500.0, '500.0'), (-0.254, '-0.25'), (12_345.0, '12,345'),
    (1234567.0, '1.23e+06'), (math.nan, 'nan')])
def test_score(value, text):
  assert fmt.score(value) == text


@pytest.mark.parametrize('mean, std, text', [
    (500.0, 0.0, '500.0 ± 0.0'), (0.5, 0.25, '0.50 ± 0.25'),
    (-2.0, 12.0, '-2.0 ± 12.0'), (12345.6, 78.9, '12,346 ± 78.9')])
def test_mean_and_std(mean, std, text):
  assert fmt.mean_and_std(mean, std) == text


@pytest.mark.parametrize('value, text', [
    (475.0, '475'), (-100.0, '-100'), (0.5, '0.5'), (12_000.0, '12,000')])
def test_target(value, text):
  assert fmt.target(value) == text


@pytest.mark.parametrize('value, text', [
    (93.4, '93% of human'), (None, ''), (math.nan, '')])
def test_percent(value, text):
  assert fmt.percent(value) == text


@pytest.mark.parametrize('seconds, text', [
    (0.0, '0 s'), (45.9, '45 s'), (60.0, '1 min'), (200.0, '3 min 20 s'),
    (7500.0, '2 h 05 min'), (-1.0, '0 s'), (math.inf, 'ever')])
def test_duration(seconds, text):
  assert fmt.duration(seconds) == text


@pytest.mark.parametrize('counts, notes', [
    (None, []),
    ({}, []),
    ({'actor_1': 2}, ['actor 1 restarted 2x']),
    ({'replay': 1, 'actor_12': 3}, ['actor 12 restarted 3x, replay restarted']),
    ({'a': 1, 'b': 1, 'c': 1, 'd': 1, 'e': 1},
     ['a restarted, b restarted, c restarted, 2 more']),
])
def test_restarts(counts, notes):
  assert fmt.restarts(counts) == notes


@pytest.mark.parametrize('numbers, text', [
    ([], ''),
    ([4], '4'),
    ([0, 1, 2, 5, 7, 8], '0-2, 5, 7-8'),
    (range(0, 12, 2), '0, 2, 4, 6, 8, 10'),
    (range(0, 13, 2), '0, 2, 4, 6, 8, 10, ...'),
])
def test_ranges(numbers, text):
  assert fmt.ranges(list(numbers)) == text
