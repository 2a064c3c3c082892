"""The part of a page about how a run was made."""

import shlex
from typing import Any, List, Mapping, Tuple

from apex_tf import config as config_lib
from apex_tf import settings
from apex_tf.reports import section

# The presets take it from the machine.
_OF_THE_MACHINE = 'actor.num_actors'


def describe(config: config_lib.Config, versions: Mapping[str, str],
             presets: Mapping[str, config_lib.Config]) -> section.Configuration:
  """What makes a run what it is.

  Args:
    config: of the run.
    versions: that it ran with.
    presets: by the path that `--config` takes.
  """
  return section.Configuration(
      command=command(config, presets),
      differences=section.Table(
          'What differs from the defaults', ('field', 'value', 'default'),
          [(path, _text(value), _text(default))
           for path, value, default in _differences(
               config, config_lib.Config())]),
      everything=section.Table(
          'All fields', ('field', 'value', 'meaning'),
          [(path, _text(value), doc)
           for path, value, doc in settings.describe(config)]),
      versions=section.Table('Versions', (), list(versions.items())))


def command(config: config_lib.Config,
            presets: Mapping[str, config_lib.Config]) -> str:
  """A command line that makes exactly this configuration.

  A run directory does not tell from which preset it was made; this is from the
  one that leaves the least to say.

  Args:
    config: of the run.
    presets: by the path that `--config` takes.

  Returns:
    The command; "" where there is no preset.
  """
  if not presets:
    return ''
  best = min(sorted(presets),
             key=lambda path: len(_differences(config, presets[path])))
  changed = {path: value for path, value, _ in _differences(
      config, presets[best])}
  changed[_OF_THE_MACHINE] = config.actor.num_actors
  flags = [f'--config={best}']
  flags += [f'--config.{path}={value}' for path, value in changed.items()]
  return ' \\\n    '.join(
      ['python -m launch.train', *map(shlex.quote, flags), '--workdir=DIR'])


def _differences(config: config_lib.Config, other: config_lib.Config
                ) -> List[Tuple[str, Any, Any]]:
  """(dotted path, value, other value) of each field that differs."""
  return [(path, value, other_value)
          for (path, value, _), (_, other_value, _) in zip(
              settings.leaves(config), settings.leaves(other))
          if value != other_value]


def _text(value: Any) -> str:
  if isinstance(value, int) and not isinstance(value, bool):
    return f'{value:,}'
  return repr(value) if value == '' else str(value)
