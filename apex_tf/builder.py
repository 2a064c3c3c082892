"""Builds the parts of an experiment from its configuration.

The verbs are those of Acme's builders. Every part takes what it needs through
its constructor; this is the one place that reads the configuration for them.
"""

import functools
import threading
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence

from acme import core
from acme import specs
import numpy as np
import reverb
import tensorflow as tf

from apex_tf import actor as actor_lib
from apex_tf import agents
from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf import evaluator as evaluator_lib
from apex_tf import learner as learner_lib
from apex_tf import variables as variables_lib
from apex_tf.agents import base as agents_base
from apex_tf.environments import base as environments_base
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import dataset as dataset_lib
from apex_tf.replay import eviction as eviction_lib
from apex_tf.replay import feedback as feedback_lib
from apex_tf.replay import priorities as priorities_lib
from apex_tf.replay import shards as shards_lib
from apex_tf.replay import tables as tables_lib

# First words of the seeds of the parts that draw random numbers.
_LEARNER, _ACTOR, _EVALUATOR = range(3)


class EvaluatorParts(NamedTuple):
  """An evaluator, the client that fetches its policy, its environments."""
  evaluator: evaluator_lib.Evaluator
  variable_client: variables_lib.VariableClient
  environment: environments_base.BatchedEnvironment


class Builder:
  """The parts of one experiment, whatever its agent and environment."""

  def __init__(self, config: config_lib.Config):
    """Looks at the environment.

    Raises:
      ValueError: names the field that the environment or agent refuses.
    """
    self.config = config
    self.spec: specs.EnvironmentSpec = environments.make_environment_spec(
        config.environment)
    self.agent = agents.make_agent(config, self.spec)

  def _seed(self, *words: int) -> int:
    """An independent seed for a part of the run."""
    sequence = np.random.SeedSequence((self.config.run.seed,) + words)
    return int(sequence.generate_state(1)[0] % 2**31)

  @property
  def _num_evaluated(self) -> int:
    """Environments of the evaluator: no more than it has episodes."""
    return min(self.config.evaluator.num_environments,
               self.config.evaluator.episodes)

  def make_replay_tables(self, limit_ratio: bool = True) -> List[reverb.Table]:
    """Those of one shard."""
    return tables_lib.make_tables(
        self.config.replay.of_shard(), self.spec, limit_ratio)

  def make_environment(
      self, actor_index: int) -> environments_base.BatchedEnvironment:
    """The training environments of one actor."""
    return environments.make_environment(
        self.config.environment, self.config.actor.environments_per_actor,
        self._seed(_ACTOR, actor_index))

  def make_adder(self, client: reverb.Client,
                 stop: Optional[threading.Event] = None
                ) -> adder_lib.NStepAdder:
    config = self.config
    return adder_lib.NStepAdder(
        client=client,
        num_environments=config.actor.environments_per_actor,
        num_stacked=config.environment.num_frames_stacked,
        n_step=config.agent.n_step,
        discount=config.agent.discount,
        reward_clip=config.environment.reward_clip,
        config=config.replay,
        flush_period=config.actor.flush_period,
        stop=stop)

  def make_behavior_policy(self, actor_index: int) -> agents_base.Policy:
    """The policy of one actor, on its rungs of the ladder."""
    count = self.config.actor.environments_per_actor
    first = actor_index * count
    return self.agent.make_behavior_policy(
        range(first, first + count), self._seed(_ACTOR, actor_index, 1))

  def make_actor(self, policy: agents_base.Policy,
                 variable_client: variables_lib.VariableClient,
                 adder: adder_lib.NStepAdder) -> actor_lib.Actor:
    return actor_lib.Actor(policy, variable_client, adder)

  def make_variable_client(self, source: core.VariableSource,
                           policy: agents_base.Policy,
                           asynchronous: bool = True
                          ) -> variables_lib.VariableClient:
    return variables_lib.VariableClient(
        source, policy.variables, self.config.actor.sync_period, asynchronous)

  def make_dataset(self, replay_address: str,
                   shard: int = 0) -> tf.data.Dataset:
    """What one shard gives to a batch."""
    gpus = tf.config.list_logical_devices('GPU')
    return dataset_lib.make_dataset(
        replay_address, self.config.learner.of_shard(self.config.replay.shards),
        self.config.replay.importance_exponent, self.spec.actions, shard,
        device=gpus[0].name if gpus else '')

  def make_batches(self, replay_addresses: Sequence[str],
                   stop: threading.Event) -> Iterator[dataset_lib.Batch]:
    """Batches of all shards, until `stop` is set."""
    fetchers = [
        dataset_lib.BatchFetcher(
            functools.partial(self.make_dataset, address, shard), stop)
        for shard, address in enumerate(replay_addresses)]
    if len(fetchers) == 1:
      return fetchers[0]
    min_size = self.config.replay.of_shard().min_size
    looks = [
        functools.partial(shards_lib.look_at, reverb.Client(address), min_size)
        for address in replay_addresses]
    return shards_lib.BatchUnion(
        fetchers, looks, self.config.replay.importance_exponent)

  def make_priority_writer(
      self, client: reverb.Client) -> priorities_lib.PriorityWriter:
    """That of one shard."""
    return priorities_lib.PriorityWriter(
        client, self.config.replay.minimum_priority,
        self.config.learner.max_pending_priorities)

  def make_evictor(self, client: reverb.Client, shard: int = 0
                  ) -> Optional[eviction_lib.PrioritizedEvictor]:
    """That of one shard; None where the table itself removes the oldest."""
    replay = self.config.replay.of_shard()
    if replay.eviction == 'fifo':
      return None
    return eviction_lib.PrioritizedEvictor(
        client, replay.capacity, replay.eviction_exponent,
        replay.eviction_pool_size, replay.minimum_priority,
        self._seed(_LEARNER, 1 + shard))

  def make_feedback(
      self, clients: Sequence[reverb.Client]) -> feedback_lib.Feedback:
    """The way back to all shards, by a client of each."""
    return feedback_lib.Feedback([
        feedback_lib.ShardFeedback(self.make_priority_writer(client),
                                   self.make_evictor(client, shard))
        for shard, client in enumerate(clients)])

  def make_learner(self, batches: Iterator[dataset_lib.Batch],
                   feedback: feedback_lib.Feedback) -> learner_lib.Learner:
    return learner_lib.Learner(
        self.agent.make_learner_step(self._seed(_LEARNER)), batches, feedback,
        publish_period=self.config.learner.publish_period)

  def make_evaluation_environment(
      self, render: bool = False) -> environments_base.BatchedEnvironment:
    """The environments of the evaluator; `render` if they are to be seen."""
    return environments.make_environment(
        self.config.environment, self._num_evaluated, self._seed(_EVALUATOR),
        evaluation=True, render=render)

  def make_evaluator(
      self, learner: Any,
      environment: Optional[environments_base.BatchedEnvironment] = None
  ) -> EvaluatorParts:
    """An evaluator and the client that fetches what it evaluates.

    Args:
      learner: the learner, its service or a client of it.
      environment: to play; by default what `make_evaluation_environment` makes.
    """
    config = self.config
    policy = self.agent.make_evaluation_policy(
        self._num_evaluated, self._seed(_EVALUATOR, 1))
    client = variables_lib.VariableClient(
        variables_lib.KeptVariables(learner), policy.variables, update_period=0)
    if environment is None:
      environment = self.make_evaluation_environment()
    is_atari = config.environment.suite == 'atari'
    return EvaluatorParts(
        evaluator_lib.Evaluator(
            environment, policy, client, config.evaluator.episodes,
            config.evaluator.max_seconds,
            config.environment.game if is_atari else ''), client, environment)
