r"""Runs the learner of a run on several machines.

  python -m launch.learner --config=configs/cartpole.py --workdir=runs/learner \
      --replay=replay-0:5000 --port=5001

Its directory is the run's: status, summary, learning curve, policy and
checkpoints are there, from which it goes on when it is started again.
"""

import threading
from typing import Any, Sequence, Tuple

from absl import flags

from apex_tf import config as config_lib
from apex_tf import results
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import status as status_lib
from launch import command_line
from launch import role

FLAGS = flags.FLAGS

role.define_replay()
role.define_port()
role.define_stay()


def prepare(config: config_lib.Config) -> Tuple[str, role.Work]:
  """The learner's name and its work."""
  config.validate()
  port = role.port()
  shards = role.addresses('replay', config.replay.shards)

  def work(process: role.Process) -> None:
    from apex_tf import roles  # pylint: disable=import-outside-toplevel

    finished = threading.Event()

    def finish(ended: str) -> None:
      finished.set()
      print('\n'.join(results.write(config, process.directory, ended)),
            flush=True)

    def over() -> None:
      finish('')
      if FLAGS.stay:
        process.stop.wait()

    roles.run_learner(
        config, process.directory, shards, f'localhost:{port}', process.stop,
        process.patience, process.ready, over)
    if not finished.is_set():
      finish(status_lib.INTERRUPTED)

  return metric_table.LEARNER, work


def main(argv: Sequence[str]) -> Any:
  del argv
  role.run(prepare)


if __name__ == '__main__':
  command_line.run(main)
