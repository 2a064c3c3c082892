"""A learner over recorded batches, without an environment."""

import functools
from typing import Any, Iterable, List, NamedTuple, Optional

from acme import specs
import numpy as np
import reverb
import tensorflow as tf

from apex_tf import agents
from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import learner as learner_lib
from apex_tf import learner_checkpoint
from apex_tf import types
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import eviction
from apex_tf.replay import feedback
from apex_tf.replay import layout
from apex_tf.replay import priorities
from tests import dpg_learner_steps

BATCH_SIZE = 6
_NUM_ACTIONS = 3


class Clock:
  """Seconds, as the test has them."""

  def __init__(self, now: float = 1000.0):
    self.now = now

  def __call__(self) -> float:
    return self.now


def make_agent(name: str) -> Any:
  """A tiny agent, with a target copied every three steps."""
  if name == 'dpg':
    return dpg_learner_steps.make_agent(target_update_period=3)
  config = config_lib.Config()
  config.dqn.hidden_sizes = (8,)
  config.dqn.dueling_hidden_size = 8
  config.dqn.target_update_period = 3
  config.validate()
  return agents.make_agent(config, specs.EnvironmentSpec(
      observations=specs.Array(
          (dpg_learner_steps.STACK, dpg_learner_steps.FEATURES), np.float32),
      actions=specs.DiscreteArray(_NUM_ACTIONS),
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0., 1.)))


def make_batch(name: str, seed: int, **fields: Any) -> dataset_lib.Batch:
  """A batch for an agent.

  Args:
    name: of the agent.
    seed: of its numbers.
    **fields: of the transition, in the place of random ones.
  """
  transition, weights = dpg_learner_steps.make_batch(seed)
  rng = np.random.default_rng(seed)
  if name == 'dqn':
    transition = transition._replace(action_tm1=rng.integers(
        _NUM_ACTIONS, size=BATCH_SIZE).astype(np.int32))
  transition = transition._replace(**fields)
  return dataset_lib.Batch(
      types.Transition(*map(tf.constant, transition)),
      importance_weight=tf.constant(weights),
      key=tf.constant(np.arange(BATCH_SIZE) + seed * BATCH_SIZE, tf.uint64),
      probability=tf.constant(rng.uniform(0.1, 1, BATCH_SIZE)),
      learner_step=tf.zeros(BATCH_SIZE, tf.int64),
      shard=tf.zeros(BATCH_SIZE, tf.int32))


def make_batches(name: str, seeds: Iterable[int]) -> List[dataset_lib.Batch]:
  return [make_batch(name, seed) for seed in seeds]


@functools.cache
def _replay() -> reverb.Server:
  """Takes what is written back, and ignores it: its table stays empty."""
  return reverb.Server([reverb.Table(
      layout.TABLE, reverb.selectors.Prioritized(0.6), reverb.selectors.Fifo(),
      max_size=10, rate_limiter=reverb.rate_limiters.MinSize(1))], port=None)


class Run(NamedTuple):
  """A learner, its run's counts, and the checkpoints of both."""
  learner: learner_lib.Learner
  coordinator: coordinator_lib.Coordinator
  checkpointer: learner_checkpoint.LearnerCheckpointer
  evictor: eviction.PrioritizedEvictor
  writer: priorities.PriorityWriter

  def step(self, count: int = 1) -> List[float]:
    """Makes steps; their losses."""
    losses = []
    for _ in range(count):
      self.learner.step()
      self.coordinator.report_learner(self.learner.num_steps)
      losses.append(self.learner.metrics()['loss'])
    return losses

  def values(self) -> List[np.ndarray]:
    """Of everything that a learner step changes."""
    return [variable.numpy() for variable in self.learner.module.variables]


def make_run(directory: Any, name: str, batches: Iterable[dataset_lib.Batch],
             seed: int = 1, clock: Optional[Clock] = None,
             **kwargs: Any) -> Run:
  """A run at step 0.

  Args:
    directory: of its checkpoints.
    name: of the agent.
    batches: for its steps.
    seed: of its parameters and its evictor.
    clock: of its times.
    **kwargs: of the checkpointer, or limits of the run.
  """
  clock = clock or Clock()
  client = reverb.Client(f'localhost:{_replay().port}')
  writer = priorities.PriorityWriter(client, 1e-6, 1000)
  evictor = eviction.PrioritizedEvictor(client, 10, -0.4, 1000, 1e-6, seed)
  learner = learner_lib.Learner(
      make_agent(name).make_learner_step(seed), iter(batches),
      feedback.Feedback([feedback.ShardFeedback(writer, evictor)]),
      publish_period=2)
  limits = {field: kwargs.pop(field) for field in list(kwargs)
            if field.startswith(('max_', 'target_'))}
  coordinator = coordinator_lib.Coordinator(
      config_lib.RunConfig(**limits), clock)
  return Run(learner, coordinator, learner_checkpoint.LearnerCheckpointer(
      str(directory), learner, coordinator, clock=clock, **kwargs), evictor,
             writer)
