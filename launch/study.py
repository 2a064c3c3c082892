r"""Runs one of the paper's studies: a grid of runs, and what they say together.

  python -m launch.study --study=actors --config=configs/minatar.py \
      --config.run.max_learner_steps=10000 --workdir=runs/actors --seeds=3

Runs a cell for each arm and seed, one after the other, each by its own
`launch.train`; then writes a picture, a table and CSV into the directory. The
same command again skips what is finished and goes on with what is not, so that
it may be interrupted or killed at any time; where all is finished, it writes
the results anew.
"""

import shlex
import sys
from typing import List, Sequence

from absl import flags
from absl import logging
from ml_collections import config_flags

from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import results
from apex_tf.experiments import runner as runner_lib
from apex_tf.experiments import studies
from apex_tf.experiments import study_directory
from launch import command_line

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file(
    'config', None, 'Preset from which all arms differ.', lock_config=True)
flags.DEFINE_string('study', None, 'Which study: one of '
                    f'{", ".join(studies.STUDIES)}.')
flags.DEFINE_string('workdir', None, 'Directory of the study.')
flags.DEFINE_integer('seeds', 3, 'Cells of each arm: run.seed and those that '
                     'follow.')
flags.DEFINE_list(
    'values', None, 'The arms; by default some around those of the preset. ' +
    '; '.join(f'{study.name}: {study.values}'
              for study in studies.STUDIES.values()))


def make_plan() -> plan_lib.Plan:
  """What the flags ask for.

  Raises:
    ValueError: names the flag or field, its value and what is allowed.
  """
  if FLAGS.study not in studies.STUDIES:
    raise ValueError(f'study is {FLAGS.study!r}, but must be one of '
                     f'{", ".join(studies.STUDIES)}')
  if FLAGS.seeds < 1:
    raise ValueError(f'seeds is {FLAGS.seeds}, but must be at least 1')
  if not FLAGS.workdir:
    raise ValueError('workdir is not given, but must be the path of a '
                     'directory (--workdir=DIR)')
  study = studies.STUDIES[FLAGS.study]
  values = FLAGS['values'].value
  if values == []:  # pylint: disable=use-implicit-booleaness-not-comparison
    raise ValueError(f"values is '', but must have {study.values}")
  study.check(FLAGS.config)  # Of what it is not for, it has no defaults.
  if values is None:
    values = list(study.defaults(FLAGS.config))
  return plan_lib.Plan(study, FLAGS.config, tuple(values), FLAGS.seeds)


def main(argv: Sequence[str]) -> None:
  del argv
  logging.set_verbosity(logging.WARNING)
  preset_path = config_flags.get_config_filename(FLAGS['config'])
  preset = command_line.load_preset(preset_path)
  directory = study_directory.StudyDirectory(FLAGS.workdir or '')
  command = shlex.join(['python', '-m', 'launch.study', *sys.argv[1:]])
  try:
    plan = make_plan()
    directory.check(plan)
    plan.check(preset)
  except ValueError as error:
    command_line.refuse(str(error))
  runner = runner_lib.Runner(preset_path, preset)
  failures: List[str] = []
  try:
    with directory.locked():
      directory.check(plan)  # Another command may have been there meanwhile.
      directory.write(plan)
      failures += runner.run(directory.cells(plan))
      print('\n'.join(results.write(directory, plan, command)))
  except (OSError, ValueError) as error:
    failures.append(str(error))
  if runner.interrupted:
    print('Interrupted; the same command goes on with it.')
  for failure in failures:
    print(failure, file=sys.stderr)
  sys.exit(1 if failures else 0)


if __name__ == '__main__':
  command_line.run(main)
