"""Variables on their way from the learner to the policies."""

import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional, Sequence
import uuid

from absl import logging
from acme import core
import numpy as np
import tensorflow as tf

from apex_tf import waiting

# Names that the learner's `get_variables` understands.
POLICY = 'policy'
LEARNER_STEP = 'learner_step'
# Tells any two versions apart: a learner that was started again may come to the
# same step with other values.
VERSION = 'version'


class Version(NamedTuple):
  """One version of a policy's variables.

  Attributes:
    learner_step: at which they were published.
    values: of the variables, in their order.
  """
  learner_step: int
  values: List[np.ndarray]


class VariablePublisher:
  """Holds the newest snapshot of a policy's variables.

  A snapshot is one immutable record that is exchanged whole: `publish` never
  waits for a reader, and a reader never sees parts of two versions.
  """

  def __init__(self, variables: Sequence[tf.Variable]):
    """Publishes version 0, the initial variables."""
    self._variables = list(variables)
    self._incarnation = uuid.uuid4().hex
    self._number = 0
    self.publish(0)
    self._kept = self._snapshot

  def publish(self, learner_step: int) -> None:
    """Copies the variables and makes the copy the newest version."""
    self._snapshot: Dict[str, Any] = self._make_snapshot(
        learner_step, [variable.numpy() for variable in self._variables])

  @property
  def published_version(self) -> int:
    """Learner step of the newest snapshot."""
    return int(self._snapshot[LEARNER_STEP])

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """Collections of one snapshot, as in `acme.core.VariableSource`.

    Raises:
      ValueError: for a name that is not POLICY, LEARNER_STEP or VERSION.
    """
    return self._collections(self._snapshot, names)

  def get_and_keep_variables(self, names: Sequence[str]) -> List[Any]:
    """As `get_variables`; the snapshot is remembered for `publish_kept`."""
    self._kept = self._snapshot
    return self._collections(self._kept, names)

  def publish_kept(self) -> None:
    """Makes the snapshot that was last kept the newest version again."""
    self._snapshot = self._kept

  @property
  def kept_variables(self) -> Version:
    """The snapshot that was last kept; version 0 before."""
    snapshot = self._kept
    return Version(int(snapshot[LEARNER_STEP]), snapshot[POLICY])

  def keep(self, version: Version) -> None:
    """Remembers a version for `publish_kept`, as of an earlier process."""
    self._kept = self._make_snapshot(version.learner_step, version.values)

  def _make_snapshot(self, learner_step: int,
                     values: Sequence[np.ndarray]) -> Dict[str, Any]:
    self._number += 1
    return {
        POLICY: list(values),
        LEARNER_STEP: np.int64(learner_step),
        VERSION: f'{self._incarnation}.{self._number}',
    }

  def _collections(self, snapshot: Dict[str, Any],
                   names: Sequence[str]) -> List[Any]:
    for name in names:
      if name not in snapshot:
        raise ValueError(f'names holds {name!r}, but must hold only '
                         f'{", ".join(snapshot)}')
    return [snapshot[name] for name in names]


class KeptVariables(core.VariableSource):
  """A learner's variables, of which it keeps the version that it sends.

  What an evaluator fetches from, so that a version which proves good can still
  be the last one published, though the learner has gone on meanwhile.
  """

  def __init__(self, learner: Any):
    """Initializes a source.

    Args:
      learner: with the methods of `learner.Learner`, or a client of it.
    """
    self._learner = learner

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """As `VariablePublisher.get_variables`."""
    return self._learner.get_and_keep_variables(names)


class VariableCache(core.VariableSource):
  """Passes a learner's variables on to many actors.

  The learner sends each version once, to this cache, and not to each of them.
  """

  def __init__(self, source: core.VariableSource):
    """Args: the learner, or a client of it."""
    self._source = source
    # Replaced whole: a reader never sees parts of two versions.
    self._snapshot: Dict[str, Any] = {}

  def refresh(self) -> None:
    """Fetches the newest version, if it is another.

    Raises:
      Exception: whatever the source raises.
    """
    version, = self._source.get_variables([VERSION])
    if self._snapshot.get(VERSION) != version:
      names = [VERSION, LEARNER_STEP, POLICY]
      self._snapshot = dict(zip(names, self._source.get_variables(names)))

  def get_variables(self, names: Sequence[str]) -> List[Any]:
    """As `VariablePublisher.get_variables`.

    Raises:
      LookupError: it has none as yet.
    """
    snapshot = self._snapshot
    if not snapshot:
      raise LookupError('the cache has no variables yet')
    return [snapshot[name] for name in names]


class VariableClient:
  """Keeps a policy's variables close behind the learner's.

  Asynchronous by default: `update` asks for variables in a thread, and a later
  `update` copies them when they are there. An unreachable learner is asked
  again, and the policy acts on with what it has.
  """

  def __init__(self, source: core.VariableSource,
               variables: Sequence[tf.Variable], update_period: int,
               asynchronous: bool = True):
    """Initializes a client that has fetched nothing yet.

    Args:
      source: the learner, or a client of it.
      variables: to be kept up to date.
      update_period: calls of `update` between fetches; 0 never fetches but by
        `update_now` and `update_and_wait`.
      asynchronous: otherwise `update` fetches and copies before it returns.
    """
    self._source = source
    self._variables = list(variables)
    self._update_period = update_period
    self._asynchronous = asynchronous
    self._calls = 0
    self._request: Optional[threading.Thread] = None
    self._received: Optional[List[Any]] = None
    self._failing = False
    self._error: object = ''
    self._updated_at = time.monotonic()
    self._learner_step = -1
    self._version = ''

  @property
  def learner_step(self) -> int:
    """Of the variables now in use; -1 before the first."""
    return self._learner_step

  @property
  def version(self) -> str:
    """Tells the variables now in use from all others; "" before the first."""
    return self._version

  @property
  def age_seconds(self) -> float:
    """Time since the variables in use were last known to be the newest."""
    return time.monotonic() - self._updated_at

  def update(self) -> None:
    """To be called once an agent step; fetches every `update_period` calls."""
    self._calls += 1
    if self._received is not None:
      self._copy()
    due = 0 < self._update_period <= self._calls
    if due and not self._fetching:
      self._calls = 0
      if self._asynchronous:
        self._request = threading.Thread(target=self._fetch, daemon=True)
        self._request.start()
      else:
        self.update_now()

  def update_now(self) -> None:
    """Fetches and copies in this thread.

    Raises:
      Exception: whatever the source raises.
    """
    self._received = self._ask()
    self._copy()

  def update_and_wait(self, stop: threading.Event,
                      wait: Optional[waiting.Wait] = None) -> bool:
    """Fetches the newest version now, asking until the source answers.

    Args:
      stop: gives up once it is set.
      wait: for the source; None is without an end.

    Returns:
      Whether it has answered.

    Raises:
      waiting.NoAnswerError: that of `wait`.
    """
    while self._fetching and not stop.wait(0.05):
      pass
    self._received = None
    while not stop.is_set():
      self._request = threading.Thread(target=self._fetch, daemon=True)
      self._request.start()
      while self._fetching and not stop.is_set():
        self._request.join(0.2)
      if self._received is not None:
        self._copy()
        return True
      if wait is not None and not stop.is_set():
        wait.note(self._error)
      stop.wait(0.5)
    return False

  @property
  def _fetching(self) -> bool:
    return self._request is not None and self._request.is_alive()

  def _fetch(self) -> None:
    try:
      self._received = self._ask()
      self._failing = False
    except Exception as error:  # pylint: disable=broad-except
      # Courier raises its own status type for an unreachable server.
      if not self._failing:
        logging.warning('There are no variables: %s', error)
      self._failing, self._error = True, error

  def _ask(self) -> List[Any]:
    """The newest version; [] where that is the one in use."""
    if self._version:  # Most of the time, nothing else is sent.
      version, = self._source.get_variables([VERSION])
      if version == self._version:
        return []
    return self._source.get_variables([VERSION, LEARNER_STEP, POLICY])

  def _copy(self) -> None:
    """Assigns what was received.

    Raises:
      ValueError: if it does not fit the policy.
    """
    received, self._received = self._received, None
    if received is None:
      return
    self._updated_at = time.monotonic()
    if not received:
      return
    version, learner_step, values = received
    if len(values) != len(self._variables):
      raise ValueError(
          f'{len(values)} variables were received, but the policy has '
          f'{len(self._variables)}: both need the same configuration')
    for variable, value in zip(self._variables, values):
      variable.assign(value)
    self._version, self._learner_step = version, int(learner_step)
