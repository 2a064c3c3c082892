"""Pictures of metrics: what is drawn, whatever there is to draw."""

import math

from matplotlib import figure
import numpy as np
import pytest

from apex_tf import config as config_lib
from apex_tf import drawing
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib
from apex_tf.monitoring import summary as summary_lib
from apex_tf.reports import event_files
from apex_tf.reports import panels
from apex_tf.reports import runs
from tests.reports import made_runs

_METRICS = sorted({
    metric.name for _, group in panels.GALLERIES for panel in group
    for line in panel.lines for metric in line.metrics()})


def _series(values):
  times = 1000.0 + 60 * np.arange(len(values))
  return event_files.Series(
      np.arange(len(values)), times, np.array(values, float))


def _run(values, roles=('learner', 'actor_0', 'replay', 'evaluator'),
         agent='dqn'):
  config = config_lib.Config()
  config.agent.name = agent
  status = made_runs.make_status([made_runs.make_evaluation(1, [1.0])])
  series = {name: _series(values) for name in _METRICS} if values else {}
  return runs.Run(
      'run', config, status, summary_lib.summarize(status, config), True, 0.0,
      (), {role: event_files.RoleEvents(
          dict(series), [(1000.0, 1000.0 + 60 * max(0, len(values) - 1))])
          for role in roles})


def _pictures(run):
  """By their titles."""
  return {picture.title: picture for gallery in panels.galleries(run)
          for picture in gallery.pictures}


def _draw(run, title):
  """The axes of a picture."""
  axes = figure.Figure().subplots()
  _pictures(run)[title].draw(axes)
  return axes


def _panels():
  return [panel for _, group in panels.GALLERIES for panel in group]


def test_each_metric_is_one_that_its_role_has():
  for panel in _panels():
    for line in panel.lines:
      for metric in line.metrics():
        assert line.kind in metric.roles, metric.name


@pytest.mark.parametrize('panel', _panels(), ids=lambda panel: panel.title)
def test_the_lines_of_a_panel_have_one_unit(panel):
  assert len({metric.unit for line in panel.lines
              for metric in line.metrics()}) == 1


def test_lines_are_where_the_points_are():
  axes = _draw(_run([1.0, 4.0, 2.0]), 'Loss')
  (line,) = axes.lines
  np.testing.assert_allclose(line.get_xdata(), [0, 1, 2])
  np.testing.assert_allclose(line.get_ydata(), [1, 4, 2])
  assert axes.get_ylabel() == metrics_lib.METRICS['loss'].unit
  assert axes.get_xlabel() == "minutes since the learner's start"


def test_many_points_become_means():
  axes = _draw(_run(list(range(3000))), 'Size')
  (line,) = axes.lines
  # Of ten points each.
  np.testing.assert_allclose(line.get_ydata(), 4.5 + 10 * np.arange(300))


def test_many_roles_become_their_median():
  run = _run([1.0, 1.0], [f'actor_{i}' for i in range(7)])
  for index in range(7):
    run.events[f'actor_{index}'].series.update(
        agent_steps_per_second=_series([index**2, index**2]))
  (line,) = _draw(run, 'Acting, each actor').lines
  np.testing.assert_allclose(line.get_ydata(), 9.0)
  assert line.get_label() == '7 actors, median: agent steps per second'


def test_who_waits_is_named_with_its_share():
  labels = [label.get_text() for label in _draw(
      _run([2, 2, 2, 0]), 'Whom replay makes wait').get_yticklabels()]
  assert labels == ['no one\n25%', 'learner\n0%', 'actors\n75%']


def test_restarts_are_marked():
  run = _run([1.0, 2.0])
  run.events['learner'] = run.events['learner']._replace(
      spans=[(1000.0, 1060.0), (5000.0, 5060.0)])
  assert len(_draw(run, 'Loss').lines) == 2


@pytest.mark.parametrize('agent, has_policy', [('dqn', False), ('dpg', True)])
def test_each_agent_has_its_own_metrics(agent, has_policy):
  run = _run([1.0, 2.0], agent=agent)
  assert ('Actions at their bounds' in _pictures(run)) == has_policy
  assert len(_draw(run, 'Values').lines) == 1 + has_policy


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('values, actors', [
    ([], 1), ([3.0], 1), ([math.nan] * 4, 2), ([0.0, 0.0], 6),
    ([1.0, math.inf, math.nan, -2.0], 2), ([1e12, 1e-9], 6)], ids=str)
def test_anything_can_be_drawn(values, actors):
  run = _run(values, [
      'learner', 'replay', *(f'actor_{i}' for i in range(actors))])
  for title in _pictures(run):
    axes = _draw(run, title)
    drawing.to_pixels(axes.figure)
    assert [text.get_text() for text in axes.texts] == (
        [] if values else ['no points'])


def test_captions_come_from_the_table():
  pictures = _pictures(_run([1]))
  assert pictures['Loss'].caption == [
      f'loss (learner): {metrics_lib.METRICS["loss"].doc}']
  (memory,) = pictures['Memory'].caption
  assert memory.startswith(
      f'resident_megabytes ({", ".join(metric_table.STEP_UNITS)}): ')
