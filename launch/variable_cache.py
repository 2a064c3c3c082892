r"""Runs a variable cache of a run on several machines.

  python -m launch.variable_cache --config=configs/cartpole.py \
      --workdir=runs/cache --learner=learner:5001 --port=5002

Each version of the variables is then sent by the learner once, to it, and by it
to the actors that have it for `--variables`.
"""

from typing import Any, Sequence, Tuple

from absl import flags

from apex_tf import config as config_lib
from apex_tf import settings
from launch import command_line
from launch import role

FLAGS = flags.FLAGS

role.define_learner()
role.define_port()
role.define_stay()
flags.DEFINE_integer('index', 0, 'Which of several caches this is, from 0.')


def prepare(config: config_lib.Config) -> Tuple[str, role.Work]:
  """The cache's name and its work."""
  port = role.port()
  learner, = role.addresses('learner', 1)
  if FLAGS.index < 0:
    raise settings.error('index', FLAGS.index, 'at least 0')

  def work(process: role.Process) -> None:
    from apex_tf import roles  # pylint: disable=import-outside-toplevel
    roles.run_variable_cache(
        config, process.directory, FLAGS.index, learner, f'localhost:{port}',
        process.stop, process.patience, process.ready, FLAGS.stay)

  return f'variable_cache_{FLAGS.index}', work


def main(argv: Sequence[str]) -> Any:
  del argv
  role.run(prepare)


if __name__ == '__main__':
  command_line.run(main)
