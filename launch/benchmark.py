"""Measures how fast the parts are, beside the limit of this machine.

  python -m launch.benchmark --suite=all --output=benchmark.json

Prints a table and writes it, with the figure of every window and the machine,
as JSON; `scale` and `cluster` leave pictures beside it, OUTPUT_actors.png and
OUTPUT_simulated.png.
Everything that is compared takes turns in one run; figures are medians of
--rounds windows. Exit code 1: something does not reach what is asked of it, and
the table says what; or a suite failed.

Suites:

  actor    one actor process against its environments and policy alone
  learner  learning from a live replay server against the gradient step alone
  replay   cost and memory of items, at three sizes
  program  whole runs beside RLlib's Ape-X, and how long one takes to start
  scale    1 to 16 actors
  cluster  up to 360 simulated actors, as in the paper, and what they cost
  peers    Acme's actor, and the DQN agents of Acme and Stable-Baselines3

`program` and `peers` need what `make peers` installs.
"""

import json
import os
import signal
import sys
import time
from typing import Any, Callable, Dict, List, Mapping, Sequence

from absl import flags

from apex_tf import files
from apex_tf.benchmarks import cluster_suite
from apex_tf.benchmarks import machine
from apex_tf.benchmarks import picture
from apex_tf.benchmarks import program_suites
from apex_tf.benchmarks import report
from apex_tf.benchmarks import suites
from apex_tf.benchmarks import workers
from configs import atari
from configs import atari_small
from launch import command_line

_SUITES: Dict[str, Callable[[suites.Options], List[report.Row]]] = {
    'actor': suites.actor,
    'learner': suites.learner,
    'replay': suites.replay,
    'program': program_suites.program,
    'scale': program_suites.scale,
    'cluster': cluster_suite.cluster,
    'peers': program_suites.peers,
}
_WITH_PEERS = ('program', 'peers')

FLAGS = flags.FLAGS
flags.DEFINE_enum('suite', 'all', [*_SUITES, 'all'], 'What to measure.')
flags.DEFINE_string('output', None, 'JSON file to write.')
flags.DEFINE_integer('rounds', 5, 'Windows of each contender.', lower_bound=1)
flags.DEFINE_float('seconds_scale', 1.0, 'Scales the length of each window.',
                   lower_bound=0.01)
flags.DEFINE_list('replay_sizes', ['50000', '250000', '1000000'],
                  'Transitions in the servers of the suite replay.')
flags.DEFINE_list('simulated_actors',
                  [str(count) for count in suites.SIMULATED_ACTORS],
                  'Numbers of actors of the suite cluster.')
flags.DEFINE_string('peers_directory', '.venv-peers',
                    'Where `make peers` has installed the peers.')

_NUM_ENVIRONMENTS = 16
_SMALL_BATCH = 64


def make_options() -> suites.Options:
  """As the flags say.

  Raises:
    ValueError: names a flag, its value and what is allowed.
  """
  sizes = _numbers('replay_sizes', 2000)
  simulated_actors = _numbers('simulated_actors', 1)
  pong, small = atari.get_config(), atari_small.get_config()
  small.learner.batch_size = _SMALL_BATCH
  for config in (pong, small):
    config.environment.game = 'pong'
    config.actor.num_actors = 1
    config.actor.environments_per_actor = _NUM_ENVIRONMENTS
    config.replay.capacity = min(50_000, *sizes)
    config.replay.min_size = min(10_000, *sizes)
    config.replay.samples_per_insert = 0.0
    config.validate()
  return suites.Options(pong, small, FLAGS.rounds, FLAGS.seconds_scale,
                        sizes, simulated_actors,
                        peers_directory=FLAGS.peers_directory)


def _numbers(flag: str, least: int) -> List[int]:
  """Those that a flag lists, in rising order.

  Raises:
    ValueError: names the flag, its value and what is allowed.
  """
  texts = FLAGS[flag].value or []
  for text in texts:
    if not text.isdigit() or int(text) < least:
      raise ValueError(f'{flag} has {text!r}, but must have whole numbers of '
                       f'at least {least}')
  if not texts:
    raise ValueError(f"{flag} is '', but must have at least one number")
  return sorted(map(int, texts))


def _title(picture_name: str, described: Mapping[str, Any]) -> str:
  """Of a picture: what it shows, and on which machine."""
  what = {
      'actors': f'Pong, {program_suites.SCALE_ENVIRONMENTS} environments an '
                'actor, no learning',
      'simulated': 'Simulated actors of one environment of Pong each, '
                   "variables of the paper's network",
  }[picture_name]
  return f'{what}; {described["cores"]} cores, {described["processor"]}'


def main(argv: Sequence[str]) -> None:
  del argv
  try:
    options = make_options()
    names = list(_SUITES) if FLAGS.suite == 'all' else [FLAGS.suite]
    if set(names) & set(_WITH_PEERS):
      program_suites.check_peers(options)
    if FLAGS.output:
      folder = os.path.dirname(os.path.abspath(FLAGS.output))
      os.makedirs(folder, exist_ok=True)
      with open(FLAGS.output, 'a', encoding='utf-8'):
        pass
  except (OSError, ValueError) as error:
    command_line.refuse(str(error))
  # A run that is measured has a session of its own, and may be paused.
  signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
  described = machine.describe()
  rows: List[report.Row] = []
  failures: List[str] = []
  for name in names:
    start = time.monotonic()
    try:
      rows += _SUITES[name](options)
    except workers.WorkerError as error:
      failures.append(f'The suite {name} failed: {error}')
      print(failures[-1], file=sys.stderr)
    print(f'{name}: {time.monotonic() - start:.0f} s', file=sys.stderr,
          flush=True)
    if FLAGS.output:  # At once: the suites take long.
      files.replace_file(FLAGS.output, json.dumps(
          {'machine': described, 'failures': failures,
           'rows': [row.to_mapping() for row in rows]}, indent=1),
                         files.MODE_OF_RESULTS)
  print(report.table(rows))
  if FLAGS.output:
    print(f'Written: {os.path.abspath(FLAGS.output)}')
    for name, panels in picture.pictures(rows).items():
      path = f'{os.path.splitext(os.path.abspath(FLAGS.output))[0]}_{name}.png'
      try:
        picture.write(path, panels, _title(name, described))
        print(f'Picture: {path}')
      except OSError as error:
        print(f'The picture is not written: {error}', file=sys.stderr)
  missed = report.missed(rows)
  for row in missed:
    print(f'Not reached: {row.suite}, {row.what}', file=sys.stderr)
  sys.exit(1 if missed or failures else 0)


if __name__ == '__main__':
  command_line.run(main)
