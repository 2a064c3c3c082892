"""How the suites say no to a task, in one line that names the field."""

import difflib
from typing import Sequence

from apex_tf import config as config_lib


def task_error(config: config_lib.EnvironmentConfig,
               allowed: str) -> ValueError:
  """The error for a task that cannot be played, to be raised.

  Args:
    config: that names the task.
    allowed: what it must be instead, after "must be".
  """
  field = config.task_field
  return ValueError(f'environment.{field} is {getattr(config, field)!r}, but '
                    f'must be {allowed}')


def not_installed_error(suite: str, error: Exception) -> ValueError:
  """The error for a suite whose package is missing, to be raised.

  Args:
    suite: also the name of the extra that installs it.
    error: of its import.
  """
  return ValueError(
      f'environment.suite is {suite!r}, but must be one that is installed: '
      f'pip install apex_tf[{suite}] ({one_line(error)})')


def hint(name: str, known: Sequence[str]) -> str:
  """The nearest of the known names, if one is near."""
  close = difflib.get_close_matches(name, known, n=1, cutoff=0.65)
  return f'; did you mean {close[0]}?' if close else ''


def one_line(error: Exception) -> str:
  """An error's message without its line breaks."""
  return ' '.join(str(error).split())
