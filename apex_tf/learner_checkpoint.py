"""Checkpoints of the learner: everything that its process would lose.

    <directory>/<learner step>/
      variables.*      parameters, targets, optimizer slots and `num_steps`, as
                       `tf.train.Checkpoint.write` has them
      kept_policy.npz  the version that an evaluation may yet choose
      state.json       counters and random state
      manifest.json    of `checkpoint_directory`

Nothing in them is a pickle.
"""

import json
import math
import os
import time
from typing import Any, Callable, Dict, Optional

from absl import logging
import tensorflow as tf

from apex_tf import checkpoint_directory
from apex_tf import coordinator as coordinator_lib
from apex_tf import learner as learner_lib
from apex_tf import non_finite
from apex_tf import saved_policy
from apex_tf import variables as variables_lib

_VARIABLES = 'variables'
_KEPT_POLICY = 'kept_policy.npz'
_STATE = 'state.json'


class LearnerCheckpointer:
  """Saves and restores a learner and the run's counts.

  All calls come from the learner's own thread, between two of its steps.
  """

  def __init__(self, directory: str, learner: learner_lib.Learner,
               coordinator: coordinator_lib.Coordinator, keep: int = 3,
               period_seconds: float = math.inf,
               clock: Callable[[], float] = time.monotonic):
    """Initializes a checkpointer that has saved nothing.

    Args:
      directory: of the checkpoints, and of nothing else; made when needed.
      learner: freshly made.
      coordinator: likewise.
      keep: checkpoints that remain; at least 1.
      period_seconds: between the saves of `save_if_due`.
      clock: seconds, for `save_if_due` alone.
    """
    self._directory = checkpoint_directory.CheckpointDirectory(directory, keep)
    self._learner = learner
    self._coordinator = coordinator
    self._period_seconds = period_seconds
    self._clock = clock
    self._saved_at = clock()
    self._checkpoint = tf.train.Checkpoint(learner_step=learner.module)

  def save_if_due(self) -> None:
    """Saves when the last save, or the start, was a period ago."""
    # A clock that has gone back says nothing of how long it is.
    if not 0 <= self._clock() - self._saved_at < self._period_seconds:
      self.save()

  def save(self) -> bool:
    """Saves the present state, in the place of one of the same learner step.

    An error is logged: a run outlives it, and earlier checkpoints too.

    Returns:
      Whether it was saved.
    """
    try:
      self.save_or_raise()
    except Exception as error:  # pylint: disable=broad-except
      logging.error('The learner is not saved in %s: %s',
                    self._directory.path_of(self._learner.num_steps), error)
      return False
    return True

  def save_or_raise(self) -> None:
    """As `save`, for a caller who has to know.

    Raises:
      Exception: it is not saved; TensorFlow, the disk and JSON have their own
        each.
    """
    start = time.monotonic()
    self._saved_at = self._clock()
    step = self._learner.num_steps
    non_finite.check_variables(self._learner.module)
    self._directory.save(step, self._write)
    logging.info('Saved the learner at step %d in %.1f s.', step,
                 time.monotonic() - start)

  def restore(self) -> Optional[int]:
    """Goes on from the newest checkpoint that is whole; logs which it is.

    To be called before the learner's first step.

    Returns:
      Its learner step, or None if there is none.

    Raises:
      OSError: the directory of the checkpoints cannot be read.
      ValueError: the checkpoint is whole, but of another configuration.
    """
    found = self._directory.find_newest()
    if found is None:
      return None
    try:
      self._read(found.path)
      if self._learner.num_steps != found.step:
        raise ValueError(f'its variables are of step {self._learner.num_steps}')
    except (AssertionError, KeyError, TypeError, ValueError,
            tf.errors.OpError) as error:
      raise ValueError(f'the checkpoint {found.path} is not of this '
                       f'configuration: {error}') from error
    counts = self._coordinator.status()
    logging.info(
        'Restored the learner at step %d from %s: %d agent steps, %d '
        'episodes, %d evaluations, %.0f s so far.', counts.learner_steps,
        found.path, counts.agent_steps, counts.episodes,
        len(counts.evaluations), counts.wall_seconds)
    return found.step

  def _write(self, directory: str) -> None:
    self._checkpoint.write(os.path.join(directory, _VARIABLES))
    saved_policy.write(os.path.join(directory, _KEPT_POLICY),
                       *self._learner.kept_variables)
    state = {
        'learner': self._learner.get_state(),
        'coordinator': self._coordinator.get_state(),
    }
    with open(os.path.join(directory, _STATE), 'w', encoding='utf-8') as file:
      json.dump(_encode(state), file, indent=1, allow_nan=False)

  def _read(self, directory: str) -> None:
    status = self._checkpoint.read(os.path.join(directory, _VARIABLES))
    status.assert_consumed()
    status.assert_existing_objects_matched()
    with open(os.path.join(directory, _STATE), encoding='utf-8') as file:
      state = json.load(file, object_hook=_decode)
    kept = saved_policy.SavedPolicy(os.path.join(directory, _KEPT_POLICY))
    self._learner.set_state(state['learner'], variables_lib.Version(
        kept.learner_step, kept.get_variables([variables_lib.POLICY])[0]))
    self._coordinator.set_state(state['coordinator'])


def _encode(data: Any) -> Any:
  """Strict JSON has no numbers that are not finite: they become objects."""
  if isinstance(data, dict):
    return {key: _encode(value) for key, value in data.items()}
  if isinstance(data, (list, tuple)):
    return [_encode(value) for value in data]
  if isinstance(data, float) and not math.isfinite(data):
    return {'float': str(data)}
  return data


def _decode(data: Dict[str, Any]) -> Any:
  """The inverse of `_encode`, of one object."""
  return float(data['float']) if set(data) == {'float'} else data
