r"""Makes a page of runs and studies, to read and to send to someone.

  python -m launch.report runs/pong
  python -m launch.report runs/pong runs/breakout --output=report
  python -m launch.report runs/actors

Writes report.html, which needs no network and no other file, its pictures as
report.png, the final table as report.csv, and each evaluation as curves.csv. Of
a run that goes on, it says how far that has come.
"""

import glob
import importlib
import os
import sys
from typing import Dict, List, Sequence

from absl import flags
from absl import logging

from apex_tf import config as config_lib
from apex_tf import process_environment
import configs
from launch import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string(
    'output', None, 'Directory to write, which may be new. By default "report" '
    'in the directory, where there is one.')

_DEFAULT_OUTPUT = 'report'


def choose_output(paths: Sequence[str]) -> str:
  """The directory to write.

  Raises:
    ValueError: names `output`, and what is allowed.
  """
  if FLAGS.output:
    return FLAGS.output
  if FLAGS.output is None and len(paths) == 1:
    return os.path.join(paths[0], _DEFAULT_OUTPUT)
  given = "''" if FLAGS.output == '' else 'not given'
  several = ' where there are several runs' if len(paths) > 1 else ''
  raise ValueError(f'output is {given}, but must be a directory{several} '
                   '(--output=DIR)')


def read_presets() -> Dict[str, config_lib.Config]:
  """Every preset of this package, by the path that --config takes."""
  found = {}
  for folder in configs.__path__:
    for path in sorted(glob.glob(os.path.join(folder, '[a-z]*.py'))):
      name = os.path.splitext(os.path.basename(path))[0]
      preset = importlib.import_module(f'configs.{name}')
      found[f'configs/{name}.py'] = preset.get_config()
  return found


def main(argv: Sequence[str]) -> None:
  paths = argv[1:]
  logging.set_verbosity(logging.WARNING)
  # What draws takes its time, and a refusal does without.
  from apex_tf.reports import report  # pylint: disable=import-outside-toplevel
  if not paths:
    command_line.refuse('no run is given, but there must be at least one '
                        'directory of a run or a study '
                        '(python -m launch.report DIR)')
  messages: List[str] = []
  try:
    output = choose_output(paths)
    report.check_output(output)
  except ValueError as error:
    messages.append(str(error))
  try:
    parts = report.read(paths, read_presets())
  except report.UnreadableError as error:
    messages += error.messages
  if messages:
    command_line.refuse(*messages)
  try:
    written = report.write(report.make(parts), output)
  except OSError as error:
    print(f'The report is not written: {error}', file=sys.stderr)
    sys.exit(1)
  for path in written:
    print(f'Written: {path}')


if __name__ == '__main__':
  for variable, value in process_environment.COMMON.items():
    os.environ.setdefault(variable, value)
  # The GPU is left to a run that goes on; here nothing is computed.
  os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
  command_line.run(main, takes_arguments=True)
