r"""Plays the policy that a run has saved, and films it if asked to.

  python -m launch.evaluate --workdir=runs/cartpole --episodes=100 \
      --video=cartpole.mp4

Works as soon as the run has saved a policy, a minute after it has begun to
learn, and while it goes on. The result is printed, and written to
evaluation.json in the run directory.
"""

import os
import sys
from typing import NoReturn, Sequence
import warnings

from absl import flags
from absl import logging

from apex_tf import config as config_lib
from apex_tf import film
from apex_tf import process_environment
from apex_tf import validation
from apex_tf import video
from apex_tf.monitoring import run_directory
from launch import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string('workdir', None, 'Run directory that holds the policy.')
flags.DEFINE_integer(
    'episodes', None, 'Episodes to play. By default those of the run\'s own '
    'evaluator, evaluator.episodes.')
flags.DEFINE_integer(
    'seed', None, 'Seed of environments and policy. By default the one after '
    'run.seed, so that the episodes are not those of the run\'s evaluator.')
flags.DEFINE_string(
    'video', None, 'Film of the first episode of the first environment, .mp4 '
    'or .gif.')

_MAX_SEED = 2**31 - 1


def open_run(path: str) -> run_directory.RunDirectory:
  """The directory of a run whose policy can be played.

  Raises:
    ValueError: names `workdir`, its value and what is allowed.
  """
  if not path:
    raise ValueError('workdir is not given, but must be the path of a run '
                     'directory (--workdir=DIR)')
  directory = run_directory.RunDirectory(path)
  if not os.path.isdir(directory.path):
    raise _error(path, 'a directory that exists')
  if not os.path.isfile(directory.config_file):
    raise _error(path, 'the directory of a run: it has no config.json')
  if not os.path.isfile(directory.policy_file):
    raise ValueError(f'workdir is {path!r}, which holds a run that has not '
                     'saved a policy yet')
  if not os.access(directory.path, os.W_OK | os.X_OK, effective_ids=True):
    raise _error(path, 'a directory that may be written')
  return directory


def read_config(directory: run_directory.RunDirectory) -> config_lib.Config:
  """The run's configuration, which can be played here.

  Raises:
    ValueError: in one line, why not.
  """
  try:
    config = directory.read_config()
  except (OSError, ValueError) as error:
    raise ValueError(f'{directory.config_file} is not the configuration of a '
                     f'run of this version: {error}') from error
  validation.validate(config)
  return config


def check_flags() -> None:
  """Refuses numbers and paths that cannot be meant.

  Raises:
    ValueError: names the flag, its value and what is allowed.
  """
  if FLAGS.episodes is not None and FLAGS.episodes < 1:
    raise ValueError(f'episodes is {FLAGS.episodes}, but must be at least 1')
  if FLAGS.seed is not None and not 0 <= FLAGS.seed <= _MAX_SEED:
    raise ValueError(f'seed is {FLAGS.seed}, but must be from 0 to {_MAX_SEED}')
  if FLAGS.video is not None:
    video.check(FLAGS.video)


def play() -> None:
  """Plays what the flags name; says what came out, or why nothing did."""
  try:
    check_flags()
    directory = open_run(FLAGS.workdir)
    if FLAGS.video is not None:
      video.prepare_rendering()
    config = read_config(directory)
    # Imports TensorFlow, which a refusal does without.
    from apex_tf import evaluation as evaluation_lib  # pylint: disable=import-outside-toplevel
    evaluation = evaluation_lib.SavedEvaluation(
        config, directory,
        config.evaluator.episodes if FLAGS.episodes is None else FLAGS.episodes,
        (config.run.seed + 1) % (_MAX_SEED + 1)
        if FLAGS.seed is None else FLAGS.seed, FLAGS.video)
  except (ValueError, FileNotFoundError, film.FilmError) as error:
    command_line.refuse(str(error))
  try:
    result = evaluation.run()
  except (evaluation_lib.NoEpisodeError, film.FilmError, RuntimeError
         ) as error:
    _fail(str(error))
  finally:
    evaluation.close()
  print(evaluation_lib.final_line(result))
  if result['video']:
    print(f'Video:      {result["video"]}')
  try:
    directory.write_evaluation(result)
  except OSError as error:
    _fail(f'{directory.evaluation_file} could not be written: {error}')
  print(f'Evaluation: {directory.evaluation_file}')


def main(argv: Sequence[str]) -> None:
  del argv
  # Of a simulator that breaks, say; the parser of flags has silenced them.
  logging.set_verbosity(logging.WARNING)
  # pygame's, of what it imports.
  warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
  try:
    play()
  except KeyboardInterrupt:
    print('interrupted', file=sys.stderr)
    sys.exit(1)


def _fail(message: str) -> NoReturn:
  print(message, file=sys.stderr)
  sys.exit(1)


def _error(path: str, allowed: str) -> ValueError:
  return ValueError(f'workdir is {path!r}, but must be {allowed}')


if __name__ == '__main__':
  for variable, value in process_environment.COMMON.items():
    os.environ.setdefault(variable, value)
  # The GPU is left to a run that goes on; one network is played on the CPU.
  os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
  command_line.run(main)
