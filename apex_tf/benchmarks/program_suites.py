"""Suites of whole programs and of peers."""

import contextlib
import os
import signal
from typing import Any, Dict, Iterator, List

import psutil

from apex_tf import process_environment
from apex_tf.benchmarks import programs
from apex_tf.benchmarks import report
from apex_tf.benchmarks import rounds
from apex_tf.benchmarks import suites
from apex_tf.benchmarks import workers

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

_NUM_ACTORS = (1, 2, 4, 8, 16)
# Of each of them.
SCALE_ENVIRONMENTS = 8

# Over a preset: learning begins soon, and everything is as it will be.
_SOON: Dict[str, Any] = {
    'replay.min_size': 2000,
    'replay.capacity': 50_000,
    'replay.samples_per_insert': 0.0,
    'actor.num_actors': 1,
    'actor.environments_per_actor': 16,
}
# As many samples as transitions: about what RLlib's training intensity of 1
# comes to.
_EVENLY: Dict[str, Any] = {
    **_SOON,
    'replay.samples_per_insert': 1.0,
    'replay.samples_per_insert_tolerance': 1.0,
}
# Of each of RLlib's two rollout workers: as what is asked was set with, and as
# many as ours has.
_RLLIB_ENVIRONMENTS = (4, 8)


def _rate(name: str) -> rounds.Figure:
  return lambda window: window[name] / window['seconds']


def _samples_rate(batch_size: int) -> rounds.Figure:
  return lambda window: batch_size * window['learner_steps'] / window['seconds']


class NoPeersError(ValueError):
  """The environments of `make peers` are not there."""


def _peer(options: suites.Options, name: str, *arguments: str,
          group: str = '') -> workers.Worker:
  """Starts a peer's worker under its own interpreter."""
  python = os.path.join(options.peers_directory, name, 'bin', 'python')
  return workers.Worker(
      [python, '-m', f'apex_tf.benchmarks.peers.{name}_worker', *arguments],
      # Acme's acts and learns in the environments of our own roles.
      {'TF_CPP_MIN_LOG_LEVEL': '2', **(
          process_environment.of_group(group, options.pong)
          if group else {}),
       'PYTHONPATH': _ROOT, 'CUDA_VISIBLE_DEVICES': '-1'})


@contextlib.contextmanager
def _paused_between(worker: workers.Worker,
                    task: str) -> Iterator[rounds.Measure]:
  """A task of a worker whose processes would go on between its windows.

  Args:
    worker: from its first window on it is stopped, with all processes that it
      has started, at all other times; goes on once the context is left.
    task: of the worker.
  """

  def send(number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # `measure` says why.
      process = psutil.Process(worker.pid)
      for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
          each.send_signal(number)

  def measure(seconds: float) -> workers.Window:
    send(signal.SIGCONT)
    window = worker.measure(task, seconds)
    send(signal.SIGSTOP)
    return window

  try:
    yield measure
  finally:
    send(signal.SIGCONT)


def check_peers(options: suites.Options) -> None:
  """Refuses a suite that compares with peers where there are none.

  Raises:
    NoPeersError: names what is missing.
  """
  for name in ('acme', 'rllib', 'sb3'):
    path = os.path.join(options.peers_directory, name, 'bin', 'python')
    if not os.path.exists(path):
      raise NoPeersError(f'peers_directory is {options.peers_directory!r}, but '
                         f'must have {name}/bin/python: run `make peers`')


def program(options: suites.Options) -> List[report.Row]:
  """The whole program on Pong and CartPole, beside RLlib's Ape-X; start-up."""
  return [
      *_beside_rllib(options, 'pong', options.pong_preset, 128, 3.0),
      *_beside_rllib(options, 'cartpole', options.cartpole_preset, 64, 6.0),
      *start_up(options),
  ]


def _beside_rllib(options: suites.Options, task: str, preset: str, batch: int,
                  bound: float) -> List[report.Row]:
  """Rates of one task, each against RLlib's with both numbers of environments.

  Args:
    options: of all suites.
    task: as RLlib's worker calls it.
    preset: of ours.
    batch: transitions in a learner step, of both.
    bound: asked of ours over RLlib's.
  """
  fields = {**_EVENLY, 'learner.batch_size': batch}
  with contextlib.ExitStack() as stack:
    ours = stack.enter_context(
        programs.Program(preset, *programs.flags_of(fields)))
    ours.wait_for_learning()
    ours.pause()
    contenders: Dict[str, rounds.Measure] = {'ours': ours.measure}
    for count in _RLLIB_ENVIRONMENTS:
      rllib = stack.enter_context(_peer(
          options, 'rllib', f'--env={task}', f'--batch={batch}',
          f'--environments={count}'))
      contenders[_rllib_name(count)] = stack.enter_context(
          _paused_between(rllib, 'train'))
    windows = rounds.alternate(
        contenders, 15 * options.seconds_scale, options.num_rounds,
        5 * options.seconds_scale)
  rows = []
  for what, ours_figure, theirs in (
      ('transitions', _rate('transitions'), _rate('transitions')),
      ('samples', _samples_rate(batch), _rate('samples'))):
    mine = rounds.Sample.of(windows['ours'], ours_figure)
    for peer in map(_rllib_name, _RLLIB_ENVIRONMENTS):
      rllibs = rounds.Sample.of(windows[peer], theirs)
      rows += [
          report.Row('program', f'{what}, {task}, batch {batch}', mine,
                     '1/s', peer, mine.over(rllibs), bound),
          report.Row('program', f'{what}, {task}, {peer}', rllibs, '1/s'),
      ]
  return rows


def _rllib_name(num_environments: int) -> str:
  return f"RLlib's Ape-X, 2 x {num_environments} environments"


def start_up(options: suites.Options) -> List[report.Row]:
  """From the command to the first learner step, on CartPole."""
  seconds = []
  for _ in range(options.num_rounds):
    with programs.Program(options.cartpole_preset) as started:
      seconds.append(started.wait_for_learning())
  return [report.Row(
      'program', 'from the command to the first learner step, cartpole',
      rounds.Sample(seconds), 's', bound=25.0, bound_is_lower=False)]


def scale(options: suites.Options) -> List[report.Row]:
  """Throughput against the number of actors.

  All count up, then down, so that a drift of the machine evens out.
  """
  windows: Dict[int, List[workers.Window]] = {
      count: [] for count in _NUM_ACTORS}
  for count in (*_NUM_ACTORS, *reversed(_NUM_ACTORS)):
    fields = {**_SOON, 'actor.num_actors': count,
              # Acting alone: the learner never begins.
              'replay.min_size': 1_000_000, 'replay.capacity': 1_000_000,
              'actor.environments_per_actor': SCALE_ENVIRONMENTS}
    with programs.Program(
        options.pong_preset, *programs.flags_of(fields)) as running:
      running.wait_for_acting(count)
      for _ in range((options.num_rounds + 1) // 2):
        windows[count].append(running.measure(15 * options.seconds_scale))
  rates = {count: rounds.Sample.of(windows[count], _rate('transitions'))
           for count in _NUM_ACTORS}
  best = max(rates.values(), key=lambda sample: sample.median)
  return [
      report.Row('scale', f'transitions of {count} actors', rate, '1/s',
                 'the best count', rounds.Sample([rate.median / best.median]),
                 0.9 if count == 8 else None, point=report.Point(
                     'actors', 'transitions/s of all actors', '', count))
      for count, rate in rates.items()]


def peers(options: suites.Options) -> List[report.Row]:
  """Our actor and Acme's, and the DQN agents of others, on Pong."""
  with suites.start('actor_worker', 'actor', options.pong) as ours, _peer(
      options, 'acme', '--task=actor', group='actor') as acme, _peer(
          options, 'acme', '--task=agent', '--batch=128',
          group='learner') as agent, _peer(
              options, 'sb3', '--batch=128') as sb3:
    windows = rounds.alternate({
        **suites.tasks(ours, 'apex'), **suites.tasks(acme, 'act'),
        **suites.tasks(agent, 'run'), **suites.tasks(sb3, 'learn'),
    }, 6 * options.seconds_scale, options.num_rounds,
        3 * options.seconds_scale)
  rows = []
  for what, figure, unit, bound in (
      ('transitions of one actor by CPU time',
       rounds.per_cpu_second(suites.CPU), '1/CPU s', 3.0),
      ('transitions of one actor', rounds.per_second, '1/s', None)):
    mine = rounds.Sample.of(windows['apex'], figure)
    acmes = rounds.Sample.of(windows['act'], figure)
    rows += [
        report.Row('peers', what, mine, unit, "Acme's actor",
                   mine.over(acmes), bound),
        report.Row('peers', f"{what}, Acme's", acmes, unit),
    ]
  return rows + [
      report.Row('peers', f'{what} of {whose}, pong, batch 128',
                 rounds.Sample.of(windows[task], _rate(what)), '1/s')
      for whose, task in (("Acme's DQN agent", 'run'),
                          ("Stable-Baselines3's DQN", 'learn'))
      for what in ('transitions', 'samples')]
