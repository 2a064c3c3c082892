r"""Runs one actor of a run on several machines.

  python -m launch.actor --config=configs/cartpole.py --workdir=runs/actor_3 \
      --replay=replay-0:5000 --learner=learner:5001 --actor_index=3

Its exploration depends on its index alone, among `actor.num_actors`. It may
come and go at any time.
"""

from typing import Any, Sequence, Tuple

from absl import flags

from apex_tf import config as config_lib
from launch import command_line
from launch import role

FLAGS = flags.FLAGS

role.define_replay()
role.define_learner()
flags.DEFINE_string(
    'variables', None, 'host:port of a variable cache; if not given, the '
    'learner has the variables.')
flags.DEFINE_integer(
    'actor_index', None, 'Which actor this is, from 0; if not given, '
    '$JOB_COMPLETION_INDEX or $SLURM_PROCID.')
flags.DEFINE_integer(
    'num_actors', None, 'Takes the place of --config.actor.num_actors; the '
    'learner needs the same.')


def prepare(config: config_lib.Config) -> Tuple[str, role.Work]:
  """The actor's name and its work."""
  if FLAGS.num_actors is not None:
    config.actor.num_actors = FLAGS.num_actors
  config.validate()
  index = role.index('actor_index', config.actor.num_actors)
  shards = role.addresses('replay', config.replay.shards)
  learner, = role.addresses('learner', 1)
  variables, = role.addresses('variables', 1) if FLAGS.variables else [learner]

  def work(process: role.Process) -> None:
    from apex_tf import roles  # pylint: disable=import-outside-toplevel
    roles.run_actor(
        config, process.directory, index, shards[index % len(shards)], learner,
        variables, process.stop, process.patience, process.ready)

  return f'actor_{index}', work


def main(argv: Sequence[str]) -> Any:
  del argv
  role.run(prepare)


if __name__ == '__main__':
  command_line.run(main)
