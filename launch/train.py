r"""Trains Ape-X: replay, learner, actors and evaluator through Launchpad.

  python -m launch.train --config=configs/cartpole.py --workdir=runs/cartpole

Any field of the configuration can be overridden, as in
--config.actor.num_actors=8; docs/configuration.md lists the fields.
"""

import os
import sys
from typing import NamedTuple, Optional, Sequence

from absl import flags
from absl import logging
from ml_collections import config_flags

from apex_tf import config as config_lib
from apex_tf import isolation
from apex_tf import launching
from apex_tf import process_environment
from apex_tf import results
from apex_tf import resuming
from apex_tf import role_process
from apex_tf import temporary_directory
from apex_tf import validation
from apex_tf.monitoring import console as console_lib
from apex_tf.monitoring import directory_checks
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import opening
from apex_tf.monitoring import role_records
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import checkpoint_size
from apex_tf.replay import footprint
from launch import command_line

FLAGS = flags.FLAGS

config_flags.DEFINE_config_file(
    'config', None, 'Preset, such as configs/cartpole.py; its fields are '
    'overridden by --config.section.field=value.')
flags.DEFINE_string(
    'workdir', None, 'Run directory, for logs, TensorBoard and results.')
flags.DEFINE_enum(
    'resume', 'auto', directory_checks.RESUME_CHOICES,
    'What to do with a run that --workdir already holds: "auto" goes on with '
    'it, and starts one where there is none; "must" refuses a directory '
    'without one; "never" moves it aside and starts afresh.')
flags.DEFINE_bool(
    'serial', False, 'Run everything in one process and one Python thread, '
    'without Launchpad, for debugging.')
flags.DEFINE_bool(
    'isolate', False, 'Run everything in a network of its own, that no other '
    'process reaches: Reverb and Courier listen on all interfaces and ask no '
    'one for a password. Needs root or user namespaces.')
FLAGS.set_default('lp_launch_type', 'local_mp')


class Projected(NamedTuple):
  """What a full replay and its checkpoints will need, and nodes to end."""
  replay: footprint.Footprint
  checkpoint: Optional[checkpoint_size.Projection]
  grace: launching.Grace


def check_flags(config: config_lib.Config) -> Projected:
  """Refuses what cannot run, before anything is started or written."""
  try:
    if not FLAGS.workdir:
      raise ValueError('workdir is not given, but must be the path of a run '
                       'directory (--workdir=DIR)')
    if FLAGS.serial and FLAGS['lp_launch_type'].present:
      raise ValueError(
          f'lp_launch_type is {FLAGS.lp_launch_type!r}, but must not be given '
          'together with --serial, which does not use Launchpad')
    if FLAGS.serial and config.replay.shards > 1:
      raise ValueError(f'replay.shards is {config.replay.shards}, but must be '
                       '1 with --serial, which has one server')
    if FLAGS.lp_launch_type not in launching.LAUNCH_TYPES:
      raise ValueError(
          f'lp_launch_type is {FLAGS.lp_launch_type!r}, but must be one of '
          f'{", ".join(launching.LAUNCH_TYPES)}')
    spec = validation.validate(config)
    replay = footprint.check(config, spec)
    # This waits for the last roles of a launcher that was killed, so that
    # their ports are free.
    resuming.check(FLAGS.workdir, FLAGS.resume, config)
    directory = run_directory.RunDirectory(FLAGS.workdir)
    checkpoint = checkpoint_size.check(
        config, spec,
        [directory.replay_checkpoints_directory(role)
         for role in metric_table.replay_roles(config.replay.shards)],
        old_is_replaced=FLAGS.resume != 'never')
    grace = launching.Grace.for_checkpoints(
        checkpoint and checkpoint.seconds, config.replay.shards)
    if not FLAGS['lp_termination_notice_secs'].present:
      FLAGS.set_default('lp_termination_notice_secs', grace.notice_seconds)
    elif 0 <= FLAGS.lp_termination_notice_secs < grace.notice_seconds:
      raise ValueError(
          f'lp_termination_notice_secs is {FLAGS.lp_termination_notice_secs}, '
          f'but must be at least {grace.notice_seconds}, so that checkpoints '
          'can be written, or negative for no limit')
    launching.check_ports(config)
    return Projected(replay, checkpoint, grace)
  except ValueError as error:
    command_line.refuse(str(error))


def run(config: config_lib.Config, directory: run_directory.RunDirectory,
        projected: Projected) -> launching.Ending:
  """Runs until the end, as the flags say; how it ended."""
  console = console_lib.Console(config, directory)
  if FLAGS.serial:
    # Imports TensorFlow and Reverb, which the launcher does without.
    from apex_tf import serial  # pylint: disable=import-outside-toplevel
    try:
      return launching.Ending(serial.run(config, directory, console))
    except Exception:
      # The debugger, or the terminal, gets the error as it is.
      finish(config, directory, launching.Ending(
          status_lib.FAILED, role_records.RoleFailure(
              role_records.LAUNCHER, 'the error below', 'this terminal')))
      directory.record_stop(role_records.LAUNCHER)
      raise
  return launching.run(
      config, directory, FLAGS.lp_launch_type, projected.grace, console)


def finish(config: config_lib.Config, directory: run_directory.RunDirectory,
           ending: launching.Ending) -> int:
  """Writes the results and says what came out; the exit code."""
  print('\n'.join(results.write(config, directory, ending.how)))
  if ending.how == status_lib.FAILED:
    sys.stdout.flush()
    print(ending.failure or 'a role failed without a record; see '
          f'{directory.logs_directory}', file=sys.stderr)
    return 1
  return 0


def main(argv: Sequence[str]) -> None:
  del argv
  config = FLAGS.config
  if FLAGS.isolate:
    isolation.enter()  # First of all, since it runs this command line again.
  projected = check_flags(config)
  # The terminal is the console's; what roles log in threads is in their files.
  logging.set_verbosity(logging.INFO)
  logging.get_absl_handler().setLevel('WARNING')
  try:
    checkpoint = resuming.find_checkpoint(FLAGS.workdir, FLAGS.resume)
    replay = resuming.find_replay_checkpoint(
        FLAGS.workdir, FLAGS.resume, config)
    directory = opening.prepare(
        FLAGS.workdir, FLAGS.resume, checkpoint is not None)
  except ValueError as error:  # Seen only when it is written to.
    command_line.refuse(str(error))
  if directory.moved_aside:
    print(f'The run that was there is now in {directory.moved_aside}')
  if directory.resumed:
    print(resuming.describe(FLAGS.workdir, config, checkpoint, replay))
  print(f'Replay: {projected.replay}')
  if projected.checkpoint is not None:
    print(checkpoint_size.describe(config, projected.checkpoint))
  # From now on this directory is seen to be in use.
  directory.record_start(role_records.LAUNCHER)
  try:
    directory.write_config(config)
    temporary_directory.make_empty(directory.temporary_directory)
  except OSError as error:
    command_line.refuse(f'workdir is {FLAGS.workdir!r}, but must be a '
                        f'directory that can be written to ({error})')
  with temporary_directory.used(directory.temporary_directory):
    ending = run(config, directory, projected)
  exit_code = finish(config, directory, ending)
  directory.record_stop(role_records.LAUNCHER)
  if FLAGS.lp_launch_type == 'local_mt' and not FLAGS.serial:
    # Threads of the roles may be under a call of Reverb or TensorFlow, which
    # aborts the process if Python is taken apart meanwhile.
    role_process.end(exit_code)
  sys.exit(exit_code)


if __name__ == '__main__':
  # For roles that run in this process; the others get theirs in `program.py`.
  for variable, value in process_environment.COMMON.items():
    os.environ.setdefault(variable, value)
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
  command_line.run(main)
