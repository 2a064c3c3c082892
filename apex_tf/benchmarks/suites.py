"""What each suite of parts measures, and what has to come of it.

`program_suites` has those of whole programs and of peers.
"""

import contextlib
import dataclasses
import functools
import sys
from typing import Dict, List, Sequence

from apex_tf import config as config_lib
from apex_tf import process_environment
from apex_tf.benchmarks import replay_worker
from apex_tf.benchmarks import report
from apex_tf.benchmarks import rounds
from apex_tf.benchmarks import workers

_MODULE = 'apex_tf.benchmarks.'
CPU, SERVER_CPU = 'cpu_seconds', 'server_cpu_seconds'
NETWORK = 'network_bytes'
# Up to the paper's.
SIMULATED_ACTORS = (1, 10, 45, 90, 180, 360)


@dataclasses.dataclass
class Options:
  """What the suites have in common.

  Attributes:
    pong: an actor and a learner of Pong, with the paper's network.
    pong_small: the same with the network of 2013 and small batches.
    num_rounds: windows of each contender.
    seconds_scale: of each window, 1 for the usual lengths.
    replay_sizes: transitions, in rising order; full stacks are measured at all
      but the last.
    simulated_actors: their numbers, in rising order.
    pong_preset: file for whole programs.
    cartpole_preset: likewise.
    peers_directory: in which each peer has an environment of its own.
  """
  pong: config_lib.Config
  pong_small: config_lib.Config
  num_rounds: int = 5
  seconds_scale: float = 1.0
  replay_sizes: Sequence[int] = (50_000, 250_000, 1_000_000)
  simulated_actors: Sequence[int] = SIMULATED_ACTORS
  pong_preset: str = 'configs/atari.py'
  cartpole_preset: str = 'configs/cartpole.py'
  peers_directory: str = '.venv-peers'


def start(module: str, group: str, config: config_lib.Config,
          *arguments: str) -> workers.Worker:
  """Starts one of our own workers, in the environment of a group's roles."""
  return workers.Worker(
      [sys.executable, '-m', _MODULE + module, f'--config={config.to_json()}',
       *arguments],
      process_environment.of_group(group, config))


def tasks(worker: workers.Worker, *names: str) -> Dict[str, rounds.Measure]:
  """Some of a worker's tasks, as contenders."""
  return {name: functools.partial(worker.measure, name) for name in names}


def actor(options: Options) -> List[report.Row]:
  """One actor process against its own environments and policy alone."""
  with start('actor_worker', 'actor', options.pong) as worker:
    windows = rounds.alternate(
        tasks(worker, 'apex', 'bare'), 5 * options.seconds_scale,
        options.num_rounds, 3 * options.seconds_scale)
  rate = {name: rounds.Sample.of(windows[name], rounds.per_second)
          for name in windows}
  efficiency = {
      name: rounds.Sample.of(windows[name], rounds.per_cpu_second(CPU))
      for name in windows}
  bare = 'bare loop of environments and policy'
  return [
      report.Row('actor', 'transitions', rate['apex'], '1/s', bare,
                 rate['apex'].over(rate['bare']), 0.85),
      report.Row('actor', bare, rate['bare'], '1/s'),
      report.Row('actor', 'transitions by CPU time of the actor',
                 efficiency['apex'], '1/CPU s', bare,
                 efficiency['apex'].over(efficiency['bare'])),
      report.Row('actor', 'replay server for each transition',
                 rounds.Sample.of(windows['apex'],
                                  rounds.microseconds(SERVER_CPU)), 'CPU us'),
  ]


def learner(options: Options) -> List[report.Row]:
  """The whole learner against its gradient step on one resident batch."""
  rows = []
  for config, seconds, bound in ((options.pong, 12, 0.90),
                                 (options.pong_small, 5, 0.80)):
    with start('learner_worker', 'learner', config,
               f'--items={config.replay.min_size}') as worker:
      windows = rounds.alternate(
          tasks(worker, 'apex', 'resident'), seconds * options.seconds_scale,
          options.num_rounds, seconds * options.seconds_scale)
    rate = {name: rounds.Sample.of(windows[name], rounds.per_second)
            for name in windows}
    cpu = {name: rounds.Sample.of(windows[name], rounds.microseconds(CPU))
           for name in windows}
    label = f'{config.dqn.network}, batch {config.learner.batch_size}'
    resident = 'step on a resident batch'
    rows += [
        report.Row('learner', f'learner steps, {label}', rate['apex'], '1/s',
                   resident, rate['apex'].over(rate['resident']), bound),
        report.Row('learner', f'{resident}, {label}', rate['resident'], '1/s'),
        report.Row('learner', f'CPU of a learner step, {label}', cpu['apex'],
                   'CPU us', resident, cpu['apex'].over(cpu['resident'])),
        report.Row('learner', f'replay server for a learner step, {label}',
                   rounds.Sample.of(windows['apex'],
                                    rounds.microseconds(SERVER_CPU)),
                   'CPU us'),
    ]
  return rows


def replay(options: Options) -> List[report.Row]:
  """Items in three layouts, in servers of several sizes."""
  rows: List[report.Row] = []
  largest = max(options.replay_sizes)
  sample_rates = {}
  for size in options.replay_sizes:
    layouts = [replay_worker.FRAMES, replay_worker.RAW]
    if size < largest:
      layouts.append(replay_worker.STACKS)
    config = dataclasses.replace(
        options.pong,
        replay=dataclasses.replace(options.pong.replay, capacity=size))
    with contextlib.ExitStack() as stack:
      started = {
          layout: stack.enter_context(start(
              'replay_worker', 'actor', config, f'--layout={layout}'))
          for layout in layouts}
      contenders: Dict[str, rounds.Measure] = {}
      for layout, worker in started.items():
        names = ['insert', 'sample']
        if layout == replay_worker.FRAMES:
          names.append('update')
        contenders.update({
            f'{layout} {task}': measure
            for task, measure in tasks(worker, *names).items()})
      windows = rounds.alternate(
          contenders, 3 * options.seconds_scale, options.num_rounds,
          1 * options.seconds_scale)
      stored = {layout: rounds.Sample([worker.description['server_bytes']])
                for layout, worker in started.items()}
    rows += _replay_rows(size, size == largest, windows, stored)
    sample_rates[size] = rounds.Sample.of(
        windows['frames sample'], rounds.per_second)
  smallest = min(options.replay_sizes)
  if smallest < largest:
    rows.append(report.Row(
        'replay', f'samples at {largest:,}', sample_rates[largest], '1/s',
        f'the same at {smallest:,}, not in turns',
        rounds.Sample([sample_rates[largest].median /
                       sample_rates[smallest].median]), 0.8))
  return rows


def _replay_rows(size: int, is_largest: bool,
                 windows: Dict[str, List[workers.Window]],
                 stored: Dict[str, rounds.Sample]) -> List[report.Row]:
  """Of one size."""
  rows = []
  bounds = {'insert': (200.0, 45.0), 'sample': (150.0, 45.0)}
  what = {'insert': 'inserts', 'sample': 'samples', 'update': 'updates'}

  def rates(name: str) -> rounds.Sample:
    return rounds.Sample.of(windows[name], rounds.per_second)

  for task in ('insert', 'sample', 'update'):
    name = f'frames {task}'
    for layout, against in (('raw', 'raw items'), ('stacks', 'full stacks')):
      other = f'{layout} {task}'
      if other in windows:
        rows.append(report.Row(
            'replay', f'{what[task]} at {size:,}', rates(name), '1/s', against,
            rates(name).over(rates(other))))
    if f'raw {task}' not in windows:
      rows.append(report.Row(
          'replay', f'{what[task]} at {size:,}', rates(name), '1/s'))
    limits = bounds.get(task) if is_largest else None
    for index, (clock, side) in enumerate(
        ((CPU, 'client'), (SERVER_CPU, 'server'))):
      rows.append(report.Row(
          'replay', f'{side} for each of the {what[task]} at {size:,}',
          rounds.Sample.of(windows[name], rounds.microseconds(clock)),
          'CPU us', bound=limits[index] if limits else None,
          bound_is_lower=False))
  frames, stacks = stored['frames'], stored.get('stacks')
  rows.append(report.Row(
      'replay', f'server memory of a transition at {size:,}', frames, 'bytes',
      'full stacks' if stacks else '', frames.over(stacks) if stacks else None,
      0.5 if stacks else None, bound_is_lower=False))
  return rows
