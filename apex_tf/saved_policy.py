"""The policy of a run as a file, so that it can be played once the run is over.

The file is numpy's `.npz`, without pickled objects: the learner step, and the
policy's variables in their order. A published snapshot is one record, so what
is saved is never of two versions.
"""

import io
import threading
from typing import Any, Dict, List, Sequence

from absl import logging
from acme import core
import numpy as np

from apex_tf import files
from apex_tf import variables as variables_lib

# Between two looks at whether a learner has published another version.
SAVE_PERIOD_SECONDS = 60.0

_LEARNER_STEP = 'learner_step'
_NUM_VARIABLES = 'num_variables'
_VARIABLE = 'variable_{:04d}'
# Kinds of numpy's types that a variable may be of: numbers.
_NUMBERS = 'fiub'


class SavedPolicy(core.VariableSource):
  """The saved policy of a run, in the place of the learner that published it.

  It is read once: a run that goes on may replace the file meanwhile.
  """

  def __init__(self, path: str):
    """Reads a file that `PolicySaver` wrote.

    Args:
      path: of the file.

    Raises:
      FileNotFoundError: there is none.
      ValueError: names the file, which is none or is damaged.
    """
    self.path = path
    try:
      self._snapshot = _read(path)
    except FileNotFoundError:
      raise
    except Exception as error:  # pylint: disable=broad-except
      # zipfile, zlib, numpy and the parser of its headers have their own each.
      raise ValueError(
          f'{path} is damaged, or is not the saved policy of a run '
          f'({type(error).__name__}: {error})') from error

  @property
  def learner_step(self) -> int:
    """At which these variables were published."""
    return int(self._snapshot[variables_lib.LEARNER_STEP])

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """As `variables.VariablePublisher.get_variables`."""
    return [self._snapshot[name] for name in names]

  def get_and_keep_variables(self, names: Sequence[str]) -> List[Any]:
    """As `get_variables`: there is only one version to be kept."""
    return self.get_variables(names)

  def copy_to(self, client: variables_lib.VariableClient) -> None:
    """Has a client of this source copy the variables into its policy.

    Args:
      client: of this source, for one policy.

    Raises:
      ValueError: names the file, whose variables do not fit the policy.
    """
    try:
      client.update_now()
    except ValueError as error:
      raise ValueError(f'{self.path} does not fit the policy of the '
                       f'configuration beside it: {error}') from error


class PolicySaver:
  """Writes what a learner publishes, in any thread."""

  def __init__(self, source: core.VariableSource, path: str):
    """Initializes a saver that has saved nothing.

    Args:
      source: a `Learner`; its `get_variables` may be called in any thread.
      path: of the file.
    """
    self._source = source
    self._path = path
    self._lock = threading.Lock()
    # What no step has changed is not worth a file: it is a fresh network.
    self._saved_step = 0

  def save(self) -> None:
    """Writes the newest published version, unless that is what was written.

    An error is logged: a run outlives it.
    """
    try:
      files.attempt(self._path, self.save_or_raise)
    except Exception as error:  # pylint: disable=broad-except
      logging.error('The policy is not saved in %s: %s', self._path, error)

  def save_or_raise(self) -> None:
    """As `save`, for a caller who has to know.

    Raises:
      OSError: it is not written.
      Exception: whatever the source raised.
    """
    # The snapshot is taken inside, so that the newest is the last one written.
    with self._lock:
      learner_step, values = self._source.get_variables(
          [variables_lib.LEARNER_STEP, variables_lib.POLICY])
      if int(learner_step) != self._saved_step:
        write(self._path, int(learner_step), values)
        self._saved_step = int(learner_step)


def write(path: str, learner_step: int,
          values: Sequence[np.ndarray]) -> None:
  """Writes a policy whole, or leaves what was there.

  Args:
    path: of the file.
    learner_step: at which the variables were published.
    values: of the policy's variables, in their order.

  Raises:
    OSError: it is not written.
  """
  arrays: Dict[str, Any] = {
      _LEARNER_STEP: np.int64(learner_step),
      _NUM_VARIABLES: np.int64(len(values)),
  }
  for index, value in enumerate(values):
    arrays[_VARIABLE.format(index)] = np.asarray(value)
  buffer = io.BytesIO()
  np.savez(buffer, **arrays)
  files.replace_file(path, buffer.getvalue())


def _read(path: str) -> Dict[str, Any]:
  """The snapshot in a file, as `variables.VariablePublisher` has it.

  Raises:
    Exception: of many types, if it is not what `write` wrote.
  """
  with open(path, 'rb') as file:
    arrays = np.load(file, allow_pickle=False)
    if not isinstance(arrays, np.lib.npyio.NpzFile):
      raise ValueError('not an .npz file')
    # All of them now, so that damage shows here.
    values = {name: arrays[name] for name in arrays.files}
  learner_step = int(values.pop(_LEARNER_STEP))
  count = int(values.pop(_NUM_VARIABLES))
  names = [_VARIABLE.format(index) for index in range(count)]
  if set(names) != set(values):
    raise ValueError(f'{count} variables expected, but it holds '
                     f'{", ".join(sorted(values)) or "none"}')
  for name in names:
    if values[name].dtype.kind not in _NUMBERS:
      raise ValueError(f'{name} is of type {values[name].dtype}')
  return {
      variables_lib.LEARNER_STEP: np.int64(learner_step),
      variables_lib.POLICY: [values[name] for name in names],
      variables_lib.VERSION: str(learner_step),
  }
