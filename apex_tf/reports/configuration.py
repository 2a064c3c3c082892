"""The part of a page about how a run was made."""

import shlex
from typing import Any, Collection, Mapping, Sequence

from apex_tf import config as config_lib
from apex_tf import settings
from apex_tf.reports import section

# The presets take it from the machine.
_OF_THE_MACHINE = 'actor.num_actors'


def describe(config: config_lib.Config, versions: Mapping[str, str],
             presets: Mapping[str, config_lib.Config],
             program: str = 'launch.train', flags: Sequence[str] = (),
             varied: Collection[str] = ()) -> section.Configuration:
  """What makes a run, or a study, what it is.

  Args:
    config: of the run.
    versions: that it ran with.
    presets: by the path that `--config` takes.
    program: that runs it.
    flags: that it needs, besides those of the configuration.
    varied: fields that each arm of a study has its own value of.
  """
  defaults = {path: default for path, default, _
              in settings.describe(config_lib.Config())}
  fields = [(path, 'varied' if path in varied else _text(value),
             value != defaults[path] or path in varied, doc)
            for path, value, doc in settings.describe(config)]
  return section.Configuration(
      command=command(config, presets, program, flags),
      differences=section.Table(
          'What differs from the defaults', ('field', 'value', 'default'),
          [(path, text, _text(defaults[path]))
           for path, text, differs, _ in fields if differs]),
      everything=section.Table(
          'All fields', ('field', 'value', 'meaning'),
          [(path, text, doc) for path, text, _, doc in fields]),
      versions=section.Table('Versions', (), list(versions.items())))


def command(config: config_lib.Config,
            presets: Mapping[str, config_lib.Config],
            program: str = 'launch.train', flags: Sequence[str] = ()) -> str:
  """A command line that makes exactly this configuration.

  A run directory does not tell from which preset it was made; this is from the
  one that leaves the least to say.

  Args:
    config: of the run.
    presets: by the path that `--config` takes.
    program: see `describe`.
    flags: likewise.

  Returns:
    The command; "" where there is no preset.
  """
  if not presets:
    return ''
  best = min(sorted(presets), key=lambda path: len(
      list(settings.all_differences(config, presets[path]))))
  overrides = settings.as_flags(config, presets[best])
  machine = f'--config.{_OF_THE_MACHINE}={config.actor.num_actors}'
  if machine not in overrides:
    overrides.append(machine)
  return ' \\\n    '.join(
      [f'python -m {program}', *map(shlex.quote, (
          f'--config={best}', *overrides, *flags)), '--workdir=DIR'])


def _text(value: Any) -> str:
  if isinstance(value, int) and not isinstance(value, bool):
    return f'{value:,}'
  return repr(value) if value == '' else str(value)
