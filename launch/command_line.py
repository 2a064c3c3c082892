"""Command lines whose mistakes are one clear line and exit code 2.

absl and ml_collections end with code 1, with a traceback, or notice a missing
file only when the configuration is first used.
"""

import difflib
import glob
import importlib.util
import re
import sys
from typing import Callable, List, NoReturn, Sequence

from absl import app
from absl import flags
from absl import logging

from apex_tf import config as config_lib
from apex_tf import settings

# Exit code of a command line that is refused.
USAGE_ERROR = 2

_OVERRIDE = re.compile(r'--?(?:no)?config\.([\w.]+)')


def refuse(*messages: str) -> NoReturn:
  """Says why on standard error, each reason in one line, and exits."""
  program = sys.argv[0].rsplit('/', 1)[-1]
  for message in messages:
    print(f'{program}: {" ".join(message.split())}', file=sys.stderr)
  sys.exit(USAGE_ERROR)


def run(main: Callable[[Sequence[str]], None],
        takes_arguments: bool = False) -> None:
  """As `absl.app.run`, but with the mistakes of users refused in one line.

  Args:
    main: gets what `parse` returns.
    takes_arguments: whether the command has arguments besides its flags.
  """
  app.run(main, flags_parser=lambda argv: parse(argv, takes_arguments))


def parse(argv: List[str], takes_arguments: bool = False) -> List[str]:
  """Parses the flags, `--config` and its overrides among them.

  Args:
    argv: command line, the program's name first.
    takes_arguments: whether anything but flags is allowed.

  Returns:
    What is left: the program's name, and then the arguments.
  """
  if any(arg in ('--help', '-h', '--helpfull', '--helpshort')
         for arg in argv[1:]):
    return app.parse_flags_with_usage(argv)
  try:  # With the lines of --flagfile in its place.
    argv = flags.FLAGS.read_flags_from_files(argv, force_gnu=False)
  except flags.Error as error:
    refuse(str(error))
  if 'config' in flags.FLAGS and not any(
      re.match(r'--?config($|=)', arg) for arg in argv[1:]):
    presets = ', '.join(sorted(glob.glob('configs/[a-z]*.py')))
    refuse('config is not given, but must be the path of a preset '
           f'(--config=FILE){": one of " + presets if presets else ""}'
           f'{_misspelt_config(argv)}')
  known = {path for path, _, _ in settings.describe(config_lib.Config())}
  for arg in argv[1:]:
    override = _OVERRIDE.match(arg)
    if override and override.group(1) not in known:
      refuse(settings.unknown_field_message(
          config_lib.Config(), override.group(1)))
  try:
    # ml_collections would warn as well of what is refused below.
    logging.set_verbosity(logging.ERROR)
    rest = flags.FLAGS(argv)
    # A file that could not be loaded shows only when it is used.
    config = flags.FLAGS.config if 'config' in flags.FLAGS else None
    getattr(config, 'run', None)
  except flags.IllegalFlagValueError as error:
    refuse(_illegal_value(str(error)))
  except flags.Error as error:
    refuse(str(error))
  except OSError:
    path = _config_path(argv)
    near = difflib.get_close_matches(path, glob.glob('configs/[a-z]*.py'), n=1)
    refuse(f'config is {path!r}, but must be the path of a preset that exists, '
           f'such as {near[0] if near else "configs/cartpole.py"}')
  except Exception as error:  # pylint: disable=broad-except
    # Whatever the preset itself raises: it is the user's Python.
    refuse(f'config is {_config_path(argv)!r}, which fails to load: '
           f'{type(error).__name__}: {error}')
  if 'config' in flags.FLAGS and not isinstance(config, config_lib.Config):
    refuse(f'config is {_config_path(argv)!r}, but must be a preset whose '
           'get_config() returns an apex_tf.config.Config, not '
           f'{type(config).__name__}')
  if len(rest) > 1 and not takes_arguments:
    refuse(f'{rest[1]!r} is not a flag; flags begin with --')
  return rest


def load_preset(path: str) -> config_lib.Config:
  """What a preset gives without any override.

  Args:
    path: of the file that `--config` names, which could be loaded.
  """
  spec = importlib.util.spec_from_file_location('preset', path)
  assert spec is not None and spec.loader is not None, path
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config()


def _config_path(argv: Sequence[str]) -> str:
  for index, arg in enumerate(argv):
    name, _, value = arg.lstrip('-').partition('=')
    if name == 'config':
      return value or (argv[index + 1] if index + 1 < len(argv) else '')
  return ''


def _misspelt_config(argv: Sequence[str]) -> str:
  """The flag that was meant to be --config, if there is one."""
  names = [arg.lstrip('-').partition('=')[0] for arg in argv[1:]
           if arg.startswith('-')]
  near = difflib.get_close_matches(
      'config', [name for name in names if name not in flags.FLAGS], n=1)
  return f'; did you mean that by --{near[0]}?' if near else ''


def _illegal_value(message: str) -> str:
  """Rewrites absl's "flag --config.a.b=x: why" as our errors are written."""
  match = re.match(r'flag --config\.([\w.]+)=(.*?): ', message)
  if match:
    path, value = match.groups()
    for known, default, _ in settings.describe(config_lib.Config()):
      if known == path:
        kind = type(default).__name__
        return f'{path} is {value!r}, but must be of type {kind}'
  return message
