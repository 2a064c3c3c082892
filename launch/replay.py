r"""Runs replay, or one shard of it, of a run on several machines.

  python -m launch.replay --config=configs/cartpole.py --workdir=runs/replay \
      --port=5000

It serves until it is told to stop, also when the run is over.
"""

import dataclasses
from typing import Any, Sequence, Tuple

from absl import flags

from apex_tf import config as config_lib
from apex_tf import validation
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import run_directory
from apex_tf.replay import checkpoint_size
from apex_tf.replay import footprint
from launch import command_line
from launch import role

FLAGS = flags.FLAGS

role.define_port()
flags.DEFINE_integer(
    'shard', None, 'Which shard this is, from 0, of replay.shards; if not '
    'given, $JOB_COMPLETION_INDEX or $SLURM_PROCID.')


def prepare(config: config_lib.Config) -> Tuple[str, role.Work]:
  """The shard's name and its work."""
  port = role.port()
  spec = validation.validate(config)
  # A server has the memory and the disk of its own machine.
  alone = dataclasses.replace(config, replay=config.replay.of_shard())
  footprint.check(alone, spec)
  count = config.replay.shards
  shard = 0 if count == 1 and FLAGS.shard is None else role.index(
      'shard', count)

  name = metric_table.replay_roles(count)[shard]
  checkpoint_size.check(alone, spec, [run_directory.RunDirectory(
      FLAGS.workdir or '').replay_checkpoints_directory(name)], True)

  def work(process: role.Process) -> Any:
    from apex_tf import roles  # pylint: disable=import-outside-toplevel
    return roles.run_replay(config, process.directory, shard,
                            f'localhost:{port}', process.stop, process.ready)

  return name, work


def main(argv: Sequence[str]) -> Any:
  del argv
  role.run(prepare)


if __name__ == '__main__':
  command_line.run(main)
