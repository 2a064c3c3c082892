"""What an actor says of its episodes and priorities, and of which of them."""

from types import SimpleNamespace

import pytest

from apex_tf import environment_loop
from apex_tf import leases
from apex_tf.monitoring import actor_monitor
from apex_tf.replay import adder as adder_lib


@pytest.fixture
def parts():
  """A monitor and the statistics of its adder."""
  statistics = adder_lib.AdderStatistics()
  return actor_monitor.ActorMonitor(
      SimpleNamespace(agent_steps=0, environment_frames=0, broken_episodes=3),
      SimpleNamespace(statistics=statistics),
      SimpleNamespace(metrics=lambda: {}, exploration='ε 0.4'),
      SimpleNamespace(learner_step=0, age_seconds=0.0),
      leases.Holder('host, process 7', 'incarnation')), statistics


def _episodes(returns):
  return [environment_loop.Episode(0, r, r / 10, int(r)) for r in returns]


def _of_episodes(metrics):
  return [metrics.get(name) for name in (
      'episode_return', 'episode_return_clipped', 'episode_length')]


def test_episodes_are_those_since_the_last_point(parts):
  monitor, _ = parts
  monitor.observe(_episodes(range(100)))
  monitor.observe(_episodes([100]))
  assert _of_episodes(monitor.metrics()) == pytest.approx([50.0, 5.0, 50.0])
  monitor.observe(_episodes([7]))
  metrics = monitor.metrics()
  assert _of_episodes(metrics) == pytest.approx([7.0, 0.7, 7.0])
  assert metrics['episodes'] == 102.0


def test_priorities_are_those_since_the_last_point(parts):
  monitor, statistics = parts
  for low in (0, 1000):
    statistics.priorities.extend(float(low + i) for i in range(2001))
    metrics = monitor.metrics()
    assert [metrics[f'insert_priority_p{p}'] for p in (10, 50, 90)] == [
        low + 200, low + 1000, low + 1800]


def test_without_news_there_is_no_point(parts):
  monitor, statistics = parts
  monitor.observe(_episodes([1]))
  statistics.priorities.append(1.0)
  assert 'episode_return' in monitor.metrics()
  monitor.observe([])
  metrics = monitor.metrics()
  assert _of_episodes(metrics) == [None] * 3
  assert not any('priority' in name for name in metrics)


def test_the_report_has_the_newest_returns_all_the_same(parts):
  monitor, _ = parts
  monitor.observe(_episodes(range(15)))
  monitor.metrics()
  monitor.observe(_episodes(range(15, 25)))
  assert monitor.report()['recent_returns'] == list(range(5, 25))
  monitor.metrics()
  assert monitor.report()['recent_returns'] == list(range(5, 25))
  assert monitor.report()['episodes'] == 25


def test_broken_episodes_are_in_the_report_and_the_metrics(parts):
  monitor, _ = parts
  assert monitor.report()['broken_episodes'] == 3
  assert monitor.metrics()['broken_episodes'] == 3.0
