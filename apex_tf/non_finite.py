"""What becomes of a learner step whose numbers are not finite."""

import io
import math
import os
from typing import Any, Dict, Mapping

import numpy as np
import tensorflow as tf

from apex_tf import files
from apex_tf.replay import dataset as dataset_lib

# Metrics of a learner step that end the learning when they are not finite.
_LOSS = 'loss'
_GRADIENT_NORM = 'gradient_norm'  # And what ends so: `policy_gradient_norm`.


class NonFiniteError(FloatingPointError):
  """A loss or a gradient is not finite, and so are the variables by now.

  Attributes:
    learner_step: that gave it.
    batch: that it was made of.
    values: the loss and the gradient norms.
    td_error: `<float32>[batch]`.
  """

  def __init__(self, learner_step: int, batch: dataset_lib.Batch,
               values: Mapping[str, float], td_error: np.ndarray,
               remark: str = ''):
    bad = ' and '.join(f'{name} is {value}' for name, value in values.items()
                       if not math.isfinite(value))
    super().__init__(f'{bad} at learner step {learner_step}{remark}')
    self.learner_step = learner_step
    self.batch = batch
    self.values = dict(values)
    self.td_error = td_error

  def with_remark(self, remark: str) -> 'NonFiniteError':
    """The same error, with more to say."""
    return NonFiniteError(self.learner_step, self.batch, self.values,
                          self.td_error, remark)


def check_step(learner_step: int, batch: dataset_lib.Batch,
               metrics: Mapping[str, Any], td_error: np.ndarray) -> None:
  """Checks a step's loss and gradient norms.

  They are computed with the TD errors, which the learner has waited for: to
  read a few scalars more costs microseconds.

  Args:
    learner_step: that was made.
    batch: of which.
    metrics: of the step, scalar tensors.
    td_error: `<float32>[batch]`.

  Raises:
    NonFiniteError: one of them is not finite.
  """
  values = {name: float(value) for name, value in metrics.items()
            if name == _LOSS or name.endswith(_GRADIENT_NORM)}
  if not all(map(math.isfinite, values.values())):
    raise NonFiniteError(learner_step, batch, values, td_error)


def check_variables(module: tf.Module) -> None:
  """Checks every floating-point variable of a module.

  Raises:
    ValueError: names one that is not finite.
  """
  for variable in module.variables:
    if variable.dtype.is_floating and not tf.reduce_all(
        tf.math.is_finite(variable)):
      raise ValueError(f'the variable {variable.name} is not finite')


def save_batch(directory: str, error: NonFiniteError) -> NonFiniteError:
  """Saves the batch of an error for study, as `batch_<step>.npz`.

  It is numpy's `.npz` without pickled objects: the transition's fields,
  importance_weight, key, probability and learner_step of `dataset.Batch`,
  td_error, and the loss and gradient norms as scalars.

  Args:
    directory: of the file; made where it is missing.
    error: that holds the batch.

  Returns:
    The error to be raised: it says where the batch is, or why it is not saved.
  """
  path = os.path.join(directory, f'batch_{error.learner_step}.npz')
  arrays: Dict[str, Any] = {**error.batch._asdict(), **error.values,
                            'td_error': error.td_error}
  arrays.update(arrays.pop('transition')._asdict())
  arrays = {name: np.asarray(value) for name, value in arrays.items()}
  try:
    os.makedirs(directory, mode=0o700, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    files.replace_file(path, buffer.getvalue())
  except OSError as failure:
    return error.with_remark(f'; the batch is not saved in {path}: {failure}')
  return error.with_remark(f'; the batch is saved in {path}')
