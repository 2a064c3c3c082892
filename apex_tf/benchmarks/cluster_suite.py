"""The suite of a cluster: up to the paper's number of actors, simulated.

One machine stands in for many: what replay, a learner and a variable cache take
in and give out, and what that costs them, is theirs whoever asks.
"""

import contextlib
import copy
from typing import Dict, List, Mapping

from apex_tf.benchmarks import report
from apex_tf.benchmarks import rounds
from apex_tf.benchmarks import suites
from apex_tf.benchmarks import workers

# What the paper's actors and its learner do in a second.
PAPER_ACTORS = 360
PAPER_INSERTS = 12_500
PAPER_SAMPLES = 19 * 512
# Each actor fetches every 400 frames, of which it plays 139 a second.
PAPER_FETCHES = PAPER_ACTORS * 139 / 400

_PICTURE = 'simulated'
# Tasks of the workers: what is counted, and where it is drawn.
_CURVES = {
    'write': ('inserts of {} writers', 'inserts/s', 'replay'),
    'learner': ('whole versions from the learner to {} actors',
                'whole versions/s', 'learner'),
    'cache': ('whole versions from a cache to {} actors', 'whole versions/s',
              'cache'),
    'poll': ('versions asked for by {} actors', 'versions asked for/s',
             'cache'),
}
_ONE_OF = {'write': 'insert', 'sample': 'sample', 'cache': 'whole version',
           'poll': 'version asked for'}


def cluster(options: suites.Options) -> List[report.Row]:
  """Throughput against simulated actors, and the paper's load in cores."""
  rows: List[report.Row] = []
  config = copy.deepcopy(options.pong)
  config.actor.environments_per_actor = 1
  for count in options.simulated_actors:
    with contextlib.ExitStack() as stack:
      replay, variables = (
          stack.enter_context(suites.start(
              module, 'actor', config, f'--actors={count}'))
          for module in ('load_worker', 'variables_worker'))
      windows = rounds.alternate(
          {**suites.tasks(replay, 'write', 'sample'),
           **suites.tasks(variables, 'learner', 'cache', 'poll')},
          5 * options.seconds_scale, options.num_rounds,
          2 * options.seconds_scale)
    rows += _curve_rows(count, windows)
  return rows + _cost_rows(windows)


def _curve_rows(num_actors: int, windows: Dict[str, List[workers.Window]]
               ) -> List[report.Row]:
  """Of one number of actors."""
  rows = []
  for task, (what, panel, line) in _CURVES.items():
    rows.append(report.Row(
        'cluster', what.format(num_actors),
        rounds.Sample.of(windows[task], rounds.per_second), '1/s',
        point=report.Point(_PICTURE, panel, line, num_actors)))
    failures = sum(window.get('failures', 0.0) for window in windows[task])
    if failures:
      rows.append(report.Row(
          'cluster', f'{what.format(num_actors)}, failed',
          rounds.Sample([failures]), '', bound=0.0, bound_is_lower=False))
  return rows


def _cost_rows(windows: Dict[str, List[workers.Window]]) -> List[report.Row]:
  """What one of each costs with the most actors; the paper's load by that."""
  cost = {
      f'{task} {clock}': rounds.Sample.of(
          windows[task], rounds.microseconds(clock))
      for task in windows for clock in (suites.CPU, suites.SERVER_CPU)}
  network = {task: rounds.Sample.of(windows[task], rounds.each(suites.NETWORK))
             for task in windows}
  cores = paper_cores({name: sample.median for name, sample in cost.items()})
  rates = {'write': PAPER_INSERTS, 'sample': PAPER_SAMPLES,
           'cache': PAPER_FETCHES}
  return [
      report.Row('cluster', 'samples in batches of 512',
                 rounds.Sample.of(windows['sample'], rounds.per_second),
                 '1/s'),
      *(report.Row('cluster', f'{side} for each {what}', cost[name], 'CPU us')
        for name, side, what in (
            (f'write {suites.CPU}', 'actor side', 'insert'),
            (f'write {suites.SERVER_CPU}', 'replay server', 'insert'),
            (f'sample {suites.CPU}', "learner's input", 'sample'),
            (f'sample {suites.SERVER_CPU}', 'replay server', 'sample'),
            (f'cache {suites.CPU}', 'actor side', 'whole version'),
            (f'cache {suites.SERVER_CPU}', 'cache', 'whole version'),
            (f'poll {suites.SERVER_CPU}', 'cache', 'version asked for'))),
      *(report.Row('cluster', f'network for each {what}', network[task],
                   'bytes') for task, what in _ONE_OF.items()),
      *(report.Row('cluster', f"the paper's load: {name}",
                   rounds.Sample([value]), 'cores',
                   bound=3.0 if name.startswith('replay server and') else None,
                   bound_is_lower=False)
        for name, value in cores.items()),
      *(report.Row('cluster', f"the paper's load: {_ONE_OF[task]}s",
                   rounds.Sample([1e-6 * rate * network[task].median]), 'MB/s')
        for task, rate in rates.items()),
  ]


def paper_cores(cost: Mapping[str, float]) -> Dict[str, float]:
  """Cores for the paper's rates.

  Args:
    cost: CPU microseconds of one, by worker's task and clock.
  """
  server = 1e-6 * (PAPER_INSERTS * cost[f'write {suites.SERVER_CPU}'] +
                   PAPER_SAMPLES * cost[f'sample {suites.SERVER_CPU}'])
  pipeline = 1e-6 * PAPER_SAMPLES * cost[f'sample {suites.CPU}']
  return {
      'replay server': server,
      "learner's input pipeline": pipeline,
      'replay server and input pipeline': server + pipeline,
      'writing of all actors': 1e-6 * PAPER_INSERTS * cost[
          f'write {suites.CPU}'],
      'variable caches': 1e-6 * PAPER_FETCHES * cost[
          f'cache {suites.SERVER_CPU}'],
  }
