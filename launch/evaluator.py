r"""Runs the evaluator of a run on several machines.

  python -m launch.evaluator --config=configs/cartpole.py \
      --workdir=runs/evaluator --learner=learner:5001
"""

from typing import Any, Sequence, Tuple

from absl import flags

from apex_tf import config as config_lib
from apex_tf.monitoring import metric_table
from launch import command_line
from launch import role

FLAGS = flags.FLAGS

role.define_learner()
role.define_stay()


def prepare(config: config_lib.Config) -> Tuple[str, role.Work]:
  """The evaluator's name and its work."""
  learner, = role.addresses('learner', 1)

  def work(process: role.Process) -> None:
    from apex_tf import roles  # pylint: disable=import-outside-toplevel
    roles.run_evaluator(config, process.directory, learner, process.stop,
                        process.patience, process.ready, FLAGS.stay)

  return metric_table.EVALUATOR, work


def main(argv: Sequence[str]) -> Any:
  del argv
  role.run(prepare)


if __name__ == '__main__':
  command_line.run(main)
