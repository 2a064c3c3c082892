"""The one shape in which the rest of the program sees an environment."""

import abc

from acme import specs
import dm_env
import numpy as np

REWARD_SPEC = specs.Array((), np.float32, name='reward')
DISCOUNT_SPEC = specs.BoundedArray((), np.float32, 0.0, 1.0, name='discount')


class BatchedEnvironment(dm_env.Environment):
  """A `dm_env.Environment` whose time steps have a leading batch dimension.

  With E environments of observation `<dtype>[stack, *frame]`:

    step_type `<int32>[E]`: `dm_env.StepType` of each environment.
    reward `<float32>[E]`: raw, never clipped; 0 where the step is FIRST.
    discount `<float32>[E]`: 0 at a termination and at a life loss, else 1, so
      a LAST step with discount 1 is a truncation, and a MID step with discount
      0 is a life loss after which the episode goes on.
    observation `<dtype>[E, stack, *frame]`: the newest frame last.

  As in dm_env, the step after a LAST is a FIRST: the environment resets, and
  its action, reward and discount mean nothing. The observation of a LAST step
  is the real final one, and a policy call on it gives the bootstrap value of a
  truncated episode. Each environment restarts on its own.

  The specs describe one environment, without the batch dimension.
  """

  # Emulator frames in one agent step: the action repeat.
  frames_per_agent_step: int = 1

  @property
  @abc.abstractmethod
  def num_environments(self) -> int:
    """Environments in the batch."""

  def reward_spec(self) -> specs.Array:
    """Of one environment: `<float32>[]`."""
    return REWARD_SPEC

  def discount_spec(self) -> specs.BoundedArray:
    """Of one environment: `<float32>[]`, from 0 to 1."""
    return DISCOUNT_SPEC
