"""Turns the steps of a batch of environments into prioritized n-step items."""

import collections
import dataclasses
import threading
import time
from typing import Any, Deque, List, Optional

from acme.adders import base
import dm_env
import numpy as np
import reverb

from apex_tf import config as config_lib
from apex_tf import returns
from apex_tf.replay import layout

# How long one attempt to flush blocks before the stop event is looked at.
_FLUSH_TIMEOUT_MS = 500
# Most priorities that wait to be looked at.
_MAX_PRIORITIES = 10_000
# Where transitions are inserted at the largest, it is this at first, as in PER.
_FIRST_MAXIMUM = 1.0


@dataclasses.dataclass(frozen=True)
class PolicyExtras:
  """What the actor knows of the step that it adds.

  Attributes:
    action_value: `<float32>[E]`, q(S_t, A_t).
    bootstrap_value: `<float32>[E]`, value of S_t under the greedy policy.
    learner_step: version of the variables that computed them.
  """
  action_value: np.ndarray
  bootstrap_value: np.ndarray
  learner_step: int


@dataclasses.dataclass
class AdderStatistics:
  """Counts since the adder was made.

  Attributes:
    items_inserted: transitions handed to Reverb.
    items_refused: transitions dropped because their priority was not finite.
    insert_wait_seconds: time blocked because Reverb did not take them.
    priorities: |TD error| of the newest items since `take_priorities`, at most
      10,000, oldest first.
  """
  items_inserted: int = 0
  items_refused: int = 0
  insert_wait_seconds: float = 0.0
  priorities: Deque[float] = dataclasses.field(
      default_factory=lambda: collections.deque(maxlen=_MAX_PRIORITIES))

  def take_priorities(self) -> List[float]:
    """Returns `priorities` and begins anew; by the thread that adds."""
    taken = list(self.priorities)
    self.priorities.clear()
    return taken


class NStepAdder(base.Adder):
  """Writes n-step transitions of E environments with their own priorities.

  What it writes, by the step type of an environment's next time step:

    FIRST: every frame of the first stack, padding included. If an episode
      ended before, first its short transitions, of n-1, ..., 1 steps.
    MID, LAST: the newest frame; and from the episode's n-th step on, the
      transition of the n steps that end in it. A reward after a discount of 0
      (a life loss) does not count towards the return.

  The priority of a transition, |R + discount * v(S_t+n) - q(S_t, A_t)|, needs
  the value of its last state, which the policy computes while it acts there.
  So a transition is inserted in the `add` that follows its last state, and no
  network is evaluated for priorities. The step after a LAST time step, whose
  action is ignored, brings the value of a truncated episode's last state.
  """

  def __init__(self, client: reverb.Client, num_environments: int,
               num_stacked: int, n_step: int, discount: float,
               reward_clip: float, config: config_lib.ReplayConfig,
               flush_period: int, stop: Optional[threading.Event] = None):
    """Initializes an adder without history.

    Args:
      client: of the replay server.
      num_environments: E, the leading dimension of all time steps.
      num_stacked: frames in an observation.
      n_step: agent steps in a full transition.
      discount: of one agent step.
      reward_clip: bound of each |reward|; 0 for none.
      config: with which priorities and how often transitions are inserted,
        chunk length and bound of pending items.
      flush_period: calls of `add` between flushes of one environment's writer.
      stop: ends waiting for a blocked replay.
    """
    self._n_step = n_step
    self._discount = discount
    self._reward_clip = reward_clip or np.inf
    self._num_stacked = num_stacked
    self._config = config
    # As many items between two looks, however often each is inserted.
    self._flush_period = max(1, flush_period // config.insert_copies)
    self._stop = stop or threading.Event()
    self._writers = [
        layout.make_writer(client, num_stacked, n_step, config.chunk_length)
        for _ in range(num_environments)
    ]
    # Of each writer, from its first item on.
    self._histories: List[Any] = [None] * num_environments
    # The last n steps of each environment, oldest first: [n, E]. Those before
    # the environment's FIRST mean nothing.
    shape = (n_step, num_environments)
    self._rewards = np.zeros(shape, np.float32)
    self._discounts = np.zeros(shape, np.float32)
    self._action_values = np.zeros(shape, np.float32)
    self._learner_steps = np.zeros(shape, np.int64)
    self._actions: Any = None  # [n, E, *action], from the first step on.
    # Steps since each environment's FIRST.
    self._episode_steps = np.zeros(num_environments, np.int64)
    # Return and bootstrap discount of the transition from each of the window's
    # steps to the newest row.
    self._returns = np.zeros(shape, np.float32)
    self._bootstrap_discounts = np.zeros(shape, np.float32)
    self._calls = 0
    self._maximum_priority = _FIRST_MAXIMUM
    self.statistics = AdderStatistics()

  def add_first(self, timestep: dm_env.TimeStep) -> None:
    """Begins an episode in every environment.

    Args:
      timestep: batched, all FIRST.
    """
    for index in range(len(self._writers)):
      self._begin_episode(index, timestep.observation[index])

  def add(self, action: np.ndarray, next_timestep: dm_env.TimeStep,
          extras: Optional[PolicyExtras] = None) -> None:
    """Adds one step of every environment.

    Args:
      action: `[E, ...]`, taken in the previous time step; without meaning
        where `next_timestep` is FIRST.
      next_timestep: batched.
      extras: what the policy said of the previous time step; required.

    Raises:
      ValueError: without `extras`.
    """
    if extras is None:
      raise ValueError('extras is None, but must be PolicyExtras')
    first = next_timestep.step_type == dm_env.StepType.FIRST
    self._insert_full_transitions(extras.bootstrap_value)
    for index in np.flatnonzero(first):
      self._insert_short_transitions(index, extras.bootstrap_value)
      self._begin_episode(index, next_timestep.observation[index])
    self._push(action, next_timestep, extras, ~first)
    self._append_rows(next_timestep.observation, ~first)
    self._flush_in_turn()

  def reset(self) -> None:
    """Sends all that is pending and waits for it, unless stopped."""
    for writer in self._writers:
      self._flush(writer, 0)

  def close(self) -> None:
    """Drops what is pending and closes the streams."""
    for writer in self._writers:
      writer.close()

  def _begin_episode(self, index: int, stack: np.ndarray) -> None:
    for frame in stack:
      self._writers[index].append({layout.FRAME: frame})
    self._episode_steps[index] = 0

  def _push(self, action: np.ndarray, next_timestep: dm_env.TimeStep,
            extras: PolicyExtras, is_step: np.ndarray) -> None:
    """Moves the window of the last n steps on, in every environment."""
    if self._actions is None:
      self._actions = np.zeros((self._n_step,) + action.shape, action.dtype)
    reward = np.clip(next_timestep.reward, -self._reward_clip,
                     self._reward_clip)
    for window, newest in ((self._rewards, reward),
                           (self._discounts, next_timestep.discount),
                           (self._action_values, extras.action_value),
                           (self._learner_steps, extras.learner_step),
                           (self._actions, action)):
      window[:-1] = window[1:]
      window[-1] = newest
    self._episode_steps += is_step
    self._returns, self._bootstrap_discounts = returns.multi_step_returns(
        self._rewards, self._discounts, self._discount)

  def _append_rows(self, observation: np.ndarray, is_step: np.ndarray) -> None:
    complete = self._episode_steps >= self._n_step
    steps = layout.encode_steps(layout.Steps(
        self._returns[0], self._bootstrap_discounts[0], self._learner_steps[0],
        self._actions[0]))
    for index in np.flatnonzero(is_step):
      row = {layout.FRAME: observation[index, -1]}
      if complete[index]:
        row[layout.STEP] = steps[index]
      self._writers[index].append(row)

  def _insert_full_transitions(self, bootstrap_value: np.ndarray) -> None:
    """Inserts the n-step transitions that end in the previous time step."""
    priorities = returns.initial_priority(
        self._returns[0], self._bootstrap_discounts[0], bootstrap_value,
        self._action_values[0])
    for index in np.flatnonzero(self._episode_steps >= self._n_step):
      self._create_item(index, priorities[index], self._n_step, 0)

  def _insert_short_transitions(self, index: int,
                                bootstrap_value: np.ndarray) -> None:
    """Inserts the transitions of fewer than n steps at an episode's end."""
    longest = int(min(self._episode_steps[index], self._n_step - 1))
    if not longest:
      return
    short = np.s_[self._n_step - longest:, index]
    priorities = returns.initial_priority(
        self._returns[short], self._bootstrap_discounts[short],
        np.full(longest, bootstrap_value[index]), self._action_values[short])
    rows = layout.encode_steps(layout.Steps(
        self._returns[short], self._bootstrap_discounts[short],
        self._learner_steps[short], self._actions[short]))
    for place, (row, priority) in enumerate(zip(rows, priorities)):
      self._writers[index].append({layout.STEP: row})
      self._create_item(index, priority, longest - place, place + 1)

  def _create_item(self, index: int, td_error: float, num_steps: int,
                   num_frameless: int) -> None:
    td_error = float(td_error)
    if not np.isfinite(td_error) or td_error < 0:
      # One such insert would kill the table's worker, and the run with it.
      self.statistics.items_refused += 1
      return
    td_error = priority = max(td_error, self._config.minimum_priority)
    if self._config.insert_priority == 'maximum':
      priority = self._maximum_priority = max(priority, self._maximum_priority)
    writer = self._writers[index]
    if self._histories[index] is None:
      self._histories[index] = writer.history
    item = layout.reference_item(
        self._histories[index], self._num_stacked, num_steps, num_frameless)
    for _ in range(self._config.insert_copies):
      writer.create_item(layout.TABLE, priority, item)
      self.statistics.items_inserted += 1
      self.statistics.priorities.append(td_error)

  def _flush_in_turn(self) -> None:
    """Bounds what is pending, a few writers at each call."""
    self._calls += 1
    for index, writer in enumerate(self._writers):
      if (self._calls + index) % self._flush_period == 0:
        self._flush(writer, self._config.max_pending_items)

  def _flush(self, writer: reverb.TrajectoryWriter, num_pending: int) -> None:
    while not self._stop.is_set():
      start = time.monotonic()
      try:
        writer.flush(num_pending, timeout_ms=_FLUSH_TIMEOUT_MS)
        break
      except reverb.DeadlineExceededError:
        continue
      finally:  # At each attempt: who looks on sees it while it lasts.
        self.statistics.insert_wait_seconds += time.monotonic() - start
