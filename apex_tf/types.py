"""The two records that travel between the rooms."""

from typing import Any, NamedTuple

import numpy as np


class PolicyOutput(NamedTuple):
  """What a policy says of a batch of observations, besides the action.

  The two values are all that an actor needs for initial priorities, whatever
  the agent: |R^(n) + discount * bootstrap_value(S_t+n) - action_value(S_t)|.

  Attributes:
    action: `[batch, ...]`, of the action spec's dtype and shape.
    action_value: `<float32>[batch]`, q(S_t, A_t) of the action taken.
    bootstrap_value: `<float32>[batch]`, the value of S_t under the greedy
      policy: max_a q(S_t, a) for DQN, q(S_t, pi(S_t)) for DPG.
  """
  action: np.ndarray
  action_value: np.ndarray
  bootstrap_value: np.ndarray


class Transition(NamedTuple):
  """A batch of n-step transitions, as arrays or tensors.

  Attributes:
    observation_tm1: `<dtype>[batch, stack, *frame]`, S_t-1.
    action_tm1: `[batch, ...]`, A_t-1.
    n_step_return: `<float32>[batch]`, the discounted sum of up to n clipped
      rewards, cut at a termination or a life loss.
    bootstrap_discount: `<float32>[batch]`, the discount of the value of
      `observation_t`; 0 where the return was cut.
    observation_t: `<dtype>[batch, stack, *frame]`, the state n steps later.
  """
  observation_tm1: Any
  action_tm1: Any
  n_step_return: Any
  bootstrap_discount: Any
  observation_t: Any
