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

  A FIRST may also come after a FIRST or a MID: the simulator left the numbers
  (an observation or a reward that is not finite, physics that diverged), and
  the environment began anew at once. The step that broke is not to be had;
  the old episode ends, as a truncation, in the state before it, and is none
  to be reported. `num_broken_episodes` counts them.

  Continuous actions with finite bounds are from -1 to 1, in every suite.

  The specs describe one environment, without the batch dimension.

  Attributes:
    name: of the task, for messages.
    frames_per_agent_step: emulator frames in one agent step, the action
      repeat.
    render_fps: agent steps in one second of the simulated world, the
      speed of a video.
  """

  name: str = 'the environment'
  frames_per_agent_step: int = 1
  render_fps: float = 30.0
  _begun: np.ndarray

  @property
  @abc.abstractmethod
  def num_environments(self) -> int:
    """Environments in the batch."""

  @property
  def num_broken_episodes(self) -> int:
    """Episodes that the simulator broke off, in all environments."""
    return 0

  def begin_step(self, action: np.ndarray) -> None:
    """Gives every environment its action; `end_step` has what comes of it.

    `step` is both. In between, environments that step in threads of their own
    are at work while the caller does something else, though nothing with this
    object; others step in `end_step`.

    Args:
      action: as of `step`.

    Raises:
      ValueError: as of `step`, here or in `end_step`.
      RuntimeError: a step that has begun has not ended.
    """
    self._begun = action

  def end_step(self) -> dm_env.TimeStep:
    """Waits until every environment has stepped.

    Returns:
      As of `step`.

    Raises:
      RuntimeError: as of `step`, or none has begun.
    """
    return self.step(self._begun)

  def render(self) -> np.ndarray:
    """The picture of environment 0 as a person would see it, now.

    Returns:
      `<uint8>[height, width, 3]`, of the same shape at each call.

    Raises:
      ValueError: there is none; names the environment.
    """
    raise ValueError(f'{self.name} cannot be rendered')

  def reward_spec(self) -> specs.Array:
    """Of one environment: `<float32>[]`."""
    return REWARD_SPEC

  def discount_spec(self) -> specs.BoundedArray:
    """Of one environment: `<float32>[]`, from 0 to 1."""
    return DISCOUNT_SPEC
