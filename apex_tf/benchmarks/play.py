"""Real play, recorded once, so that replay can be filled at its own speed."""

import functools
from typing import Callable, List, Optional

import dm_env
import numpy as np
import reverb

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import tables as tables_lib


class Recording:
  """Some steps of a batch of environments under a random policy.

  It is played again and again: frames are those of real play, and compress
  like them, and what is written is what an adder makes of them.
  """

  def __init__(
      self, builder: builder_lib.Builder, num_steps: int = 500,
      transform: Optional[Callable[[dm_env.TimeStep], dm_env.TimeStep]] = None):
    """Plays.

    Args:
      builder: of the environments, as many as one actor has.
      num_steps: of each environment.
      transform: of each time step, before it is kept.
    """
    environment = builder.make_environment(0)
    spec = environment.action_spec()
    rng = np.random.default_rng(0)
    transform = transform or (lambda timestep: timestep)
    self.num_environments = environment.num_environments
    self._first = transform(environment.reset())
    self._actions: List[np.ndarray] = []
    self._timesteps: List[dm_env.TimeStep] = []
    for _ in range(num_steps):
      action = rng.integers(
          spec.num_values, size=self.num_environments).astype(spec.dtype)
      self._actions.append(action)
      self._timesteps.append(transform(environment.step(action)))
    environment.close()

  def newest_frames(self) -> List[np.ndarray]:
    """Of each step `<dtype>[environments, *frame]`."""
    return [timestep.observation[:, -1] for timestep in self._timesteps]

  def begin(self, adder: adder_lib.NStepAdder) -> None:
    """Begins an episode in every environment of a new adder."""
    adder.add_first(self._first)

  def write(self, adder: adder_lib.NStepAdder, num_items: int) -> None:
    """Adds steps until so many transitions are stored.

    Args:
      adder: a new one, of as many environments.
      num_items: at least.
    """
    self.begin(adder)
    step = 0
    while adder.statistics.items_inserted < num_items:
      self.add(adder, step)
      step += 1
    adder.reset()

  def add(self, adder: adder_lib.NStepAdder, step: int) -> None:
    """Adds one step of every environment.

    Args:
      adder: that has begun its episodes.
      step: any number; the recording goes round.
    """
    index = step % len(self._timesteps)
    priorities = 1.0 + 0.01 * (step % 100)
    adder.add(
        self._actions[index], self._timesteps[index],
        adder_lib.PolicyExtras(
            action_value=np.full(
                self.num_environments, priorities, np.float32),
            bootstrap_value=np.zeros(self.num_environments, np.float32),
            learner_step=0))


def table_maker(builder: builder_lib.Builder
               ) -> Callable[[], List[reverb.Table]]:
  """Makes the tables of an experiment, without a ratio, in any process."""
  return functools.partial(
      tables_lib.make_tables, builder.config.replay, builder.spec,
      limit_ratio=False)


def drain(config: config_lib.LearnerConfig, take: Callable[[], float]) -> None:
  """Takes the batches that were fetched while nobody asked for any.

  Args:
    config: of the dataset.
    take: takes one.
  """
  # Those that are ready, those that each sampler has under way, and two.
  for _ in range(config.prefetch_batches + 2 * config.num_samplers + 2):
    take()
