"""The layout of TensorBoard's custom scalars, as TensorBoard reads it."""

import itertools
import pathlib
import re

import pytest
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata
from tensorboard.util import tensor_util

from apex_tf import agent_config
from apex_tf.monitoring import metrics
from apex_tf.monitoring import tensorboard_layout

# What the issue asks a layout to show of health.
_REQUIRED = {
    'evaluator/evaluation_return_mean', 'actor/episode_return',
    'learner/mean_q', 'learner/loss', 'learner/gradient_norm',
    'replay/waiting_side', 'learner/batch_wait_share',
    'actor/insert_wait_seconds', 'learner/reporting_actors', 'learner/stalls',
    'learner/td_error_p90', 'actor/insert_priority_p90',
    'learner/priority_lag_steps', 'learner/sample_age_p50',
    'learner/policy_age_steps', 'learner/learner_steps_per_second',
    'actor/agent_steps_per_second', 'replay/replay_size',
    'learner/resident_megabytes', 'learner/failed_writes'}


def _tags(layout):
  """Regular expressions of each chart, by its title."""
  charts = [chart for category in layout.category for chart in category.chart]
  titles = [chart.title for chart in charts]
  assert len(set(titles)) == len(titles)
  return {chart.title: list(chart.multiline.tag) for chart in charts}


def _read_layouts(directory):
  """As many as its event files have, which TensorBoard takes for one run."""
  events = event_accumulator.EventAccumulator(
      str(directory), size_guidance={event_accumulator.TENSORS: 0})
  events.Reload()
  assert (metadata.CONFIG_SUMMARY_TAG in
          events.PluginTagToContent(metadata.PLUGIN_NAME))
  return [
      layout_pb2.Layout.FromString(
          tensor_util.make_ndarray(event.tensor_proto).item())
      for event in events.Tensors(metadata.CONFIG_SUMMARY_TAG)]


@pytest.mark.parametrize('agent', agent_config.AGENTS)
def test_it_is_read_back_from_the_event_file(tmp_path, agent):
  logger = metrics.MetricsLogger(
      str(tmp_path), 'learner', tensorboard_layout.make_summary(agent))
  # Before there is any point, and flushed.
  assert _read_layouts(tmp_path) == [tensorboard_layout.make(agent)]
  logger.write({'step': 1, 'loss': 0.5})
  logger.close()
  assert _read_layouts(tmp_path) == [tensorboard_layout.make(agent)]


@pytest.mark.parametrize('agent', agent_config.AGENTS)
def test_each_expression_is_of_one_metric_of_the_agent(agent):
  known = {f'{kind}/{name}' for name, metric in metrics.METRICS.items()
           if metric.agent in ('', agent) for kind in metric.roles}
  matches = [
      [tag for tag in known if re.match(expression, tag)] for expression in
      itertools.chain(*_tags(tensorboard_layout.make(agent)).values())]
  assert all(len(tags) == 1 for tags in matches)
  assert {tag for tags in matches for tag in tags} >= _REQUIRED


def test_what_only_dpg_has_is_in_its_layout_alone():
  dqn = _tags(tensorboard_layout.make('dqn'))
  dpg = _tags(tensorboard_layout.make('dpg'))
  assert {title: tags for title, tags in dpg.items()
          if tags != dqn.get(title)} == {
              'Value of the actions taken':
                  ['learner/mean_q$', 'learner/policy_q$'],
              'Global norm of the gradients':
                  ['learner/gradient_norm$', 'learner/policy_gradient_norm$'],
              'Shares: actions at their bounds, dq/da clipped':
                  ['learner/action_saturation$',
                   'learner/action_gradient_clipped$']}
  assert set(dpg) - set(dqn) == {
      'Shares: actions at their bounds, dq/da clipped'}


@pytest.mark.parametrize(
    'tag', ['learner/los', 'actor/loss', 'loss', 'critic/loss', ''])
def test_a_tag_that_the_table_lacks_is_refused(tag):
  category = tensorboard_layout.Category(
      'Any', (tensorboard_layout.Chart('Some', ('learner/loss', tag)),))
  with pytest.raises(ValueError, match=f'tag is {tag!r}, .*METRICS'):
    tensorboard_layout.make('dqn', (category,))


def test_it_is_written_once_there_is_room(small_disk):
  directory = small_disk.path / 'learner'
  small_disk.fill()
  logger = metrics.MetricsLogger(
      str(directory), 'learner', tensorboard_layout.make_summary('dqn'))
  logger.write({'step': 1, 'loss': 0.0})
  small_disk.make_room()
  logger.write({'step': 2, 'loss': 0.0})
  logger.close()
  assert _read_layouts(directory) == [tensorboard_layout.make('dqn')]


def test_each_start_of_a_learner_writes_it(tmp_path):
  layouts = [tensorboard_layout.make(agent) for agent in ('dqn', 'dpg')]
  for agent in ('dqn', 'dpg'):
    metrics.MetricsLogger(str(tmp_path), 'learner',
                          tensorboard_layout.make_summary(agent)).close()
  assert _read_layouts(tmp_path) == layouts


def test_each_chart_is_on_the_page_that_explains_it():
  page = pathlib.Path(__file__).parents[2] / 'docs' / 'monitoring.md'
  rows, heading = [], ''
  for line in page.read_text().splitlines():
    if line.startswith('#'):
      heading = line.lstrip('# ')
    elif line.startswith('| ') and not line.startswith('| chart |'):
      # Some say more of the chart, in parentheses.
      title = line.replace('\\|', '\0').split(' | ')[0].split(' (')[0]
      rows.append((heading, title.lstrip('| ').replace('\0', '|')))
  assert rows == [(category.title, chart.title)
                  for category in tensorboard_layout.CATEGORIES
                  for chart in category.charts]
