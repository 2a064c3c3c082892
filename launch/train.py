r"""Trains Ape-X: replay, learner, actors and evaluator through Launchpad.

  python -m launch.train --config=configs/cartpole.py --workdir=runs/cartpole

Any field of the configuration can be overridden, as in
--config.actor.num_actors=8; docs/configuration.md lists the fields.
"""

import os
import sys
from typing import Sequence

from absl import flags
from absl import logging
from ml_collections import config_flags

from apex_tf import config as config_lib
from apex_tf import launching
from apex_tf import validation
from apex_tf.monitoring import console as console_lib
from apex_tf.monitoring import learning_curve
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import summary as summary_lib
from launch import command_line

FLAGS = flags.FLAGS

config_flags.DEFINE_config_file(
    'config', None, 'Preset, such as configs/cartpole.py; its fields are '
    'overridden by --config.section.field=value.')
flags.DEFINE_string(
    'workdir', None, 'Run directory, for logs, TensorBoard and results.')
flags.DEFINE_enum(
    'resume', 'auto', run_directory.RESUME_CHOICES,
    'What to do with a run that --workdir already holds: "auto" refuses it, '
    '"never" moves it aside and starts afresh.')
flags.DEFINE_bool(
    'serial', False, 'Run everything in one process and one Python thread, '
    'without Launchpad, for debugging.')
FLAGS.set_default('lp_launch_type', 'local_mp')


def check_flags(config: config_lib.Config) -> None:
  """Refuses what cannot run, before anything is started or written."""
  try:
    if not FLAGS.workdir:
      raise ValueError('workdir is not given, but must be the path of a run '
                       'directory (--workdir=DIR)')
    if FLAGS.serial and FLAGS['lp_launch_type'].present:
      raise ValueError(
          f'lp_launch_type is {FLAGS.lp_launch_type!r}, but must not be given '
          'together with --serial, which does not use Launchpad')
    if FLAGS.lp_launch_type not in launching.LAUNCH_TYPES:
      raise ValueError(
          f'lp_launch_type is {FLAGS.lp_launch_type!r}, but must be one of '
          f'{", ".join(launching.LAUNCH_TYPES)}')
    validation.validate(config)
    launching.check_ports(config)
    run_directory.check(FLAGS.workdir, FLAGS.resume)
  except ValueError as error:
    command_line.refuse(str(error))


def finish(config: config_lib.Config, directory: run_directory.RunDirectory,
           ending: launching.Ending) -> int:
  """Writes the results and says what came out.

  Args:
    config: of the run.
    directory: of the run.
    ending: how it ended.

  Returns:
    The exit code.
  """
  status = directory.read_status() or status_lib.RunStatus()
  ended = ending.how
  if ended and not (ended == status_lib.INTERRUPTED and status.stop_reason):
    status.stop_reason = ended
  directory.write_status(status)
  learning_curve.write_learning_curve(
      directory.learning_curve_file, status, config)
  summary = summary_lib.summarize(status, config)
  directory.write_summary(summary)
  print(summary_lib.final_line(summary))
  print(f'Learning curve: {directory.learning_curve_file}')
  tensorboard = os.path.join(os.path.dirname(sys.executable), 'tensorboard')
  print(f'TensorBoard:    {tensorboard} --logdir {directory.tensorboard_root}')
  if ended == status_lib.FAILED:
    sys.stdout.flush()
    print(ending.failure or 'a role failed without a record; see '
          f'{directory.logs_directory}', file=sys.stderr)
    return 1
  return 0


def main(argv: Sequence[str]) -> None:
  del argv
  config = FLAGS.config
  check_flags(config)
  # The terminal is the console's; what roles log in threads is in their files.
  logging.set_verbosity(logging.INFO)
  logging.get_absl_handler().setLevel('WARNING')
  try:
    directory = run_directory.prepare(FLAGS.workdir, FLAGS.resume)
  except ValueError as error:  # Seen only when it is written to.
    command_line.refuse(str(error))
  if directory.moved_aside:
    print(f'The run that was there is now in {directory.moved_aside}')
  # From now on this directory is seen to be in use.
  directory.record_start(run_directory.LAUNCHER)
  directory.write_config(config)
  console = console_lib.Console(config, directory)
  if FLAGS.serial:
    # Imports TensorFlow and Reverb, which the launcher does without.
    from apex_tf import serial  # pylint: disable=import-outside-toplevel
    ending = launching.Ending(serial.run(config, directory, console))
  else:
    ending = launching.run(config, directory, FLAGS.lp_launch_type, console)
  exit_code = finish(config, directory, ending)
  directory.record_stop(run_directory.LAUNCHER)
  sys.exit(exit_code)


if __name__ == '__main__':
  # For roles that run in this process; the others get theirs in `program.py`.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
  command_line.run(main)
