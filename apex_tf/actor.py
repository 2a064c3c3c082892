"""The acting role: a policy, and an adder where experience is recorded."""

from typing import Optional, Tuple

from acme import core
import dm_env
import numpy as np

from apex_tf import types
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents
from apex_tf.replay import adder as adder_lib


class Actor(core.Actor):
  """An `acme.core.Actor` with a leading batch dimension.

  One policy call chooses the actions of E environments, and the values from
  that same call become the priorities of what the adder writes. What was
  observed is written by `update`, which the environment loop calls while the
  environments are at their next step.
  """

  def __init__(self, policy: agents.Policy,
               variable_client: variables_lib.VariableClient,
               adder: Optional[adder_lib.NStepAdder] = None):
    """Initializes an actor.

    Args:
      policy: acts on `<dtype>[E, stack, *frame]`.
      variable_client: keeps the policy's variables up to date.
      adder: records the experience; None for an evaluator.
    """
    self._policy = policy
    self._variable_client = variable_client
    self._adder = adder
    self._output: Optional[types.PolicyOutput] = None
    self._acted_with = 0
    self._observed: Optional[
        Tuple[np.ndarray, dm_env.TimeStep, adder_lib.PolicyExtras]] = None

  def select_action(self, observation: np.ndarray) -> np.ndarray:
    """Actions `[E, ...]` for observations `<dtype>[E, stack, *frame]`."""
    self._output = self._policy(observation)
    self._acted_with = self._variable_client.learner_step
    return self._output.action

  def observe_first(self, timestep: dm_env.TimeStep) -> None:
    """Begins with a batched FIRST time step."""
    self._record()
    if self._adder is not None:
      self._adder.add_first(timestep)

  def observe(self, action: np.ndarray,
              next_timestep: dm_env.TimeStep) -> None:
    """Takes the step that the last `select_action` led to."""
    self._record()
    if self._adder is not None and self._output is not None:
      self._observed = action, next_timestep, adder_lib.PolicyExtras(
          action_value=self._output.action_value,
          bootstrap_value=self._output.bootstrap_value,
          learner_step=self._acted_with)

  def update(self, wait: bool = False) -> None:
    """Once an agent step: records it, lets the variable client do its work."""
    del wait  # The first variables are waited for before acting begins.
    self._record()
    self._variable_client.update()

  def _record(self) -> None:
    observed, self._observed = self._observed, None
    if self._adder is not None and observed is not None:
      self._adder.add(*observed)
