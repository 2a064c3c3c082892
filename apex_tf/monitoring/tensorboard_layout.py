"""What TensorBoard's page "Custom Scalars" shows, and in which order.

The order is that of the questions of somebody who was called: does it learn; is
it sane; who waits for whom; how old is what it learns from; how fast is it;
what does it cost, and what went wrong. docs/monitoring.md says how to read each
chart.
"""

from typing import NamedTuple, Tuple

from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary

from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib


class Chart(NamedTuple):
  """Metrics in one picture.

  Attributes:
    title: says what it shows and in which unit.
    tags: of the metrics, `<kind of role>/<metric>`, as `MetricsLogger` writes
      them; each run that has them gets a line for each of them.
  """
  title: str
  tags: Tuple[str, ...]


class Category(NamedTuple):
  """A question, and the charts that answer it."""
  title: str
  charts: Tuple[Chart, ...]


def _of_every_role(name: str) -> Tuple[str, ...]:
  return tuple(f'{kind}/{name}' for kind in metric_table.STEP_UNITS)


CATEGORIES: Tuple[Category, ...] = (
    Category('1. Does it learn?', (
        Chart('Return of evaluations: worst, mean, best', (
            'evaluator/evaluation_return_min',
            'evaluator/evaluation_return_mean',
            'evaluator/evaluation_return_max',
            'learner/evaluation_return_mean')),
        Chart('Return of training episodes', ('actor/episode_return',)),
    )),
    Category('2. Is it sane?', (
        Chart('Value of the actions taken',
              ('learner/mean_q', 'learner/policy_q')),
        Chart('Loss', ('learner/loss',)),
        Chart('Global norm of the gradients',
              ('learner/gradient_norm', 'learner/policy_gradient_norm')),
        Chart('Shares: actions at their bounds, dq/da clipped',
              ('learner/action_saturation', 'learner/action_gradient_clipped')),
    )),
    Category('3. Who waits for whom?', (
        Chart('Who is held back by replay: 1 the learner, 2 the actors',
              ('replay/waiting_side',)),
        Chart('Seconds since that side got on', ('replay/waiting_seconds',)),
        Chart('Share of time that the learner waits for data',
              ('learner/batch_wait_share',)),
        Chart('Seconds in all that actors waited to insert',
              ('actor/insert_wait_seconds',)),
        Chart('Samples per insert', ('replay/samples_per_insert',)),
        Chart('Actors that report, and stalls',
              ('learner/reporting_actors', 'learner/stalls')),
    )),
    Category('4. How old are data and priorities?', (
        Chart('|TD| at insert and at update: p50, p90', (
            'actor/insert_priority_p50', 'actor/insert_priority_p90',
            'learner/td_error_p50', 'learner/td_error_p90')),
        Chart('Learner steps until a priority is written',
              ('learner/priority_lag_steps',)),
        Chart('Age of samples, learner steps: p50, p90',
              ('learner/sample_age_p50', 'learner/sample_age_p90')),
        Chart('Age of the oldest acting policy, learner steps',
              ('learner/policy_age_steps',)),
        Chart('Seconds since an actor fetched its policy',
              ('actor/policy_age_seconds',)),
        Chart('Importance weights: mean, smallest',
              ('learner/weight_mean', 'learner/weight_min')),
    )),
    Category('5. How fast is it?', (
        Chart('Learner steps per second',
              ('learner/learner_steps_per_second',)),
        Chart('Agent steps per second: each actor, all of them',
              ('actor/agent_steps_per_second',
               'learner/agent_steps_per_second')),
        Chart('Transitions/s: inserted, sampled, learned from',
              ('replay/inserts_per_second', 'replay/samples_per_second',
               'learner/samples_per_second')),
        Chart('Seconds that an evaluation takes',
              ('evaluator/evaluation_seconds',)),
    )),
    Category('6. What does it cost, and what went wrong?', (
        Chart('Resident memory, MB', _of_every_role('resident_megabytes')),
        Chart('Transitions in replay', ('replay/replay_size',)),
        Chart('Failed writes to the run directory',
              _of_every_role('failed_writes')),
        Chart('Refused or dropped: priorities, transitions, episodes', (
            'learner/priorities_refused', 'learner/priority_updates_dropped',
            'actor/items_refused', 'actor/broken_episodes')),
    )),
)


def make(agent: str, categories: Tuple[Category, ...] = CATEGORIES
        ) -> layout_pb2.Layout:
  """The layout for runs of an agent.

  Args:
    agent: as `agent.name`; metrics of other agents, and charts that have none
      but those, are left out.
    categories: in their order.

  Returns:
    The layout, with all categories open.

  Raises:
    ValueError: a tag that the metrics table does not have.
  """
  layout = layout_pb2.Layout()
  for category in categories:
    charts = []
    for chart in category.charts:
      tags = [tag for tag in chart.tags if _metric(tag).agent in ('', agent)]
      if tags:
        # TensorBoard takes them as regular expressions, from the start on.
        charts.append(layout_pb2.Chart(
            title=chart.title,
            multiline=layout_pb2.MultilineChartContent(
                tag=[f'{tag}$' for tag in tags])))
    layout.category.add(title=category.title, chart=charts)
  return layout


def make_summary(agent: str) -> bytes:
  """The same as a serialized summary, of which an event file needs one."""
  return summary.pb(make(agent)).SerializeToString()


def _metric(tag: str) -> metric_table.Metric:
  """The metric of a tag.

  Raises:
    ValueError: there is none.
  """
  kind, _, name = tag.partition('/')
  metric = metrics_lib.METRICS.get(name)
  if metric is None or kind not in metric.roles:
    raise ValueError(f'tag is {tag!r}, but must be <role>/<metric> of a metric '
                     'that the table METRICS has for that role')
  return metric
