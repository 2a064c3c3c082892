"""The transitions that an actor has to write, worked out by brute force.

Plain loops over scripted episodes, in double precision, one transition at a
time; nothing of `apex_tf` computes anything here.
"""

import dataclasses
import math
import threading
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import dm_env
import numpy as np
import reverb

from apex_tf import config as config_lib
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import layout
from tests import scripted_environment


class Call(NamedTuple):
  """What a policy said of one state of one environment."""
  action: int
  action_value: float
  bootstrap_value: float
  learner_step: int


# Calls by (environment, episode, time) of the state that they are about.
Calls = Dict[Tuple[int, int, int], Call]


@dataclasses.dataclass
class Item:
  """One transition as it has to be in replay."""
  place: Tuple[int, int, int]
  observation_tm1: np.ndarray
  observation_t: np.ndarray
  action: int
  n_step_return: float
  bootstrap_discount: float
  learner_step: int
  priority: float


def expected_items(script: scripted_environment.Script, calls: Calls,
                   n_step: int, gamma: float,
                   reward_clip: float) -> List[Item]:
  """All transitions that can be known after these calls, by place.

  A transition is known once the policy was asked about its last state. Its
  priority may be NaN or infinite: those are not to be written.
  """
  items = []
  for environment, number, start in sorted(calls):
    episode = script.episode(environment, number)
    end = min(start + n_step, episode.length)
    if start == episode.length or (environment, number, end) not in calls:
      continue
    total, discount = 0.0, 1.0
    for step in range(start, end):
      reward = episode.rewards[step]
      if reward_clip:
        reward = min(max(reward, -reward_clip), reward_clip)
      total += discount * reward
      discount *= gamma * episode.discount(step)
    first = calls[environment, number, start]
    last = calls[environment, number, end]
    items.append(Item(
        place=(environment, number, start),
        observation_tm1=script.observation(environment, number, start),
        observation_t=script.observation(environment, number, end),
        action=first.action,
        n_step_return=total,
        bootstrap_discount=discount,
        learner_step=first.learner_step,
        priority=abs(total + discount * last.bootstrap_value -
                     first.action_value)))
  return items


def writable(items: Sequence[Item]) -> List[Item]:
  """Those with a priority that a table survives."""
  return [item for item in items if math.isfinite(item.priority)]


def make_adder(client: reverb.Client, script: scripted_environment.Script,
               n_step: int = 3, discount: float = 0.99,
               reward_clip: float = 0.0, flush_period: int = 5,
               stop: Optional[threading.Event] = None,
               **replay: Any) -> adder_lib.NStepAdder:
  """An adder for all environments of a script; `replay` is its config."""
  return adder_lib.NStepAdder(
      client, len(script.episodes), script.num_stacked, n_step, discount,
      reward_clip, config_lib.ReplayConfig(**replay), flush_period, stop)


def play(environment: scripted_environment.ScriptedEnvironment,
         adder: adder_lib.NStepAdder, num_calls: int, seed: int = 0,
         bad_share: float = 0.0) -> Calls:
  """Acts at random with random values, and writes all of it with the adder.

  Args:
    environment: new, or played to an end.
    adder: new.
    num_calls: of the policy, each followed by one `add`.
    seed: of actions and values.
    bad_share: of values that are NaN or infinite.

  Returns:
    What was said of each state.
  """
  rng = np.random.default_rng(seed)
  count = environment.num_environments
  calls = {}
  timestep = environment.reset()
  adder.add_first(timestep)
  for number in range(num_calls):
    action = rng.integers(100, size=count).astype(np.int32)
    values = rng.uniform(-5, 5, (2, count)).astype(np.float32)
    bad = rng.random((2, count)) < bad_share
    values[bad] = rng.choice([np.nan, np.inf, -np.inf], size=bad.sum())
    for index, stack in enumerate(timestep.observation):
      calls[scripted_environment.where(stack[-1])] = Call(
          int(action[index]), float(values[0, index]),
          float(values[1, index]), 10 * number)
    timestep = environment.step(action)
    adder.add(action, timestep,
              adder_lib.PolicyExtras(values[0], values[1], 10 * number))
  return calls


def add_known_priorities(adder: adder_lib.NStepAdder,
                         priorities: Sequence[float],
                         dtype: Any = np.uint8) -> None:
  """Writes one transition of each priority, with actions 0, 1, 2, ...

  Args:
    adder: of one environment, one frame in a stack and n_step 1.
    priorities: of the transitions, in their order.
    dtype: of the frames.
  """
  def timestep(step_type: dm_env.StepType, time: int) -> dm_env.TimeStep:
    frame = scripted_environment.make_frame(0, 0, time, dtype=dtype)
    return dm_env.TimeStep(
        np.array([step_type], np.int32), np.zeros(1, np.float32),
        np.ones(1, np.float32), frame[None, None])

  zero = np.zeros(1, np.float32)
  adder.add_first(timestep(dm_env.StepType.FIRST, 0))
  # One more step: a transition is written when its last state is acted in.
  for number, priority in enumerate([*priorities, 0.0]):
    adder.add(np.array([number], np.int32),
              timestep(dm_env.StepType.MID, number + 1),
              adder_lib.PolicyExtras(
                  np.array([priority], np.float32), zero, number))
  adder.reset()


class Stored(NamedTuple):
  """A sample of the table; `info` as Reverb gives it."""
  observation_tm1: np.ndarray
  observation_t: np.ndarray
  action: int
  n_step_return: float
  bootstrap_discount: float
  learner_step: int
  info: Any = None

  @property
  def place(self) -> Tuple[int, int, int]:
    """Environment, episode and time at which the transition begins."""
    return scripted_environment.where(self.observation_tm1[-1])


def sample(client: reverb.Client, count: int) -> List[Stored]:
  """Samples the table; unpacked as the docstring of `layout` says."""
  samples = []
  for found in client.sample(layout.TABLE, count, emit_timesteps=False,
                             unpack_as_table_signature=True):
    n_step_return, discount, learner_step, action = found.data[layout.STEP]
    samples.append(Stored(
        found.data[layout.OBSERVATION_TM1], found.data[layout.OBSERVATION_T],
        int(action), float(n_step_return), float(discount), int(learner_step),
        found.info))
  return samples


def assert_equal(stored: Stored, item: Item) -> None:
  """Observations byte for byte, numbers within float32."""
  for found, expected in ((stored.observation_tm1, item.observation_tm1),
                          (stored.observation_t, item.observation_t)):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes(), item.place
  assert stored.place == item.place
  assert stored.action == item.action
  assert stored.learner_step == item.learner_step
  np.testing.assert_allclose(
      stored.n_step_return, item.n_step_return, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(
      stored.bootstrap_discount, item.bootstrap_discount, rtol=1e-6)
