"""Builds the parts of Ape-X DQN."""

from typing import Sequence

from acme import specs
import numpy as np
import sonnet as snt

from apex_tf import config as config_lib
from apex_tf import exploration
from apex_tf import networks
from apex_tf.agents import base
from apex_tf.agents.dqn import learning
from apex_tf.agents.dqn import policy
from apex_tf.agents.dqn import rmsprop


class DQNAgent(base.Agent):
  """Ape-X DQN (Horgan et al. 2018, section 4 and appendix C)."""

  def __init__(self, config: config_lib.Config, spec: specs.EnvironmentSpec):
    """Keeps the configuration and the specs.

    Args:
      config: the experiment.
      spec: of one environment; observations `<dtype>[stack, *frame]`, actions
        a `DiscreteArray`.
    """
    self._config = config
    self._spec = spec

  def make_behavior_policy(self, environment_indices: Sequence[int],
                           seed: int) -> policy.DQNPolicy:
    """Each environment explores with its rung of the epsilon ladder.

    Args:
      environment_indices: places among `config.total_environments`.
      seed: of exploration, and of variables until the first fetch.

    Raises:
      ValueError: an index outside of the ladder, or an observation that does
        not suit dqn.network.
    """
    ladder = exploration.epsilon_ladder(
        self._config.total_environments, self._config.dqn.epsilon_base,
        self._config.dqn.epsilon_alpha, self._config.dqn.num_epsilons)
    indices = np.asarray(environment_indices)
    if not indices.size or indices.min() < 0 or indices.max() >= len(ladder):
      raise ValueError(
          f'environment_indices is {list(environment_indices)}, but must be '
          f'some of 0 to {len(ladder) - 1}')
    return self._make_policy(ladder[indices], seed)

  def make_evaluation_policy(self, num_environments: int,
                             seed: int) -> policy.DQNPolicy:
    """All environments act with dqn.evaluation_epsilon.

    Args:
      num_environments: the batch size.
      seed: of exploration, and of variables until the first fetch.

    Raises:
      ValueError: an observation that does not suit dqn.network.
    """
    return self._make_policy(
        np.full(num_environments, self._config.dqn.evaluation_epsilon), seed)

  def make_learner_step(self, seed: int) -> learning.DQNLearnerStep:
    """The networks and the optimizer, freshly initialized from `seed`.

    Raises:
      ValueError: an observation that does not suit dqn.network.
    """
    online = self._make_network(seed)
    config = self._config.dqn
    return learning.DQNLearnerStep(
        online=online,
        target=self._make_network(seed),
        optimizer=rmsprop.CenteredRMSProp(
            online.trainable_variables, config.learning_rate,
            config.rmsprop_decay, config.rmsprop_epsilon),
        max_gradient_norm=config.max_gradient_norm,
        target_update_period=config.target_update_period)

  def _make_network(self, seed: int) -> snt.Module:
    network = networks.make_q_network(
        self._config.dqn, self._spec.actions.num_values, seed)
    networks.create_variables(network, self._spec.observations)
    return network

  def _make_policy(self, epsilons: np.ndarray, seed: int) -> policy.DQNPolicy:
    return policy.DQNPolicy(
        self._make_network(seed), epsilons, self._spec.observations,
        self._spec.actions, seed)


def make_agent(config: config_lib.Config,
               spec: specs.EnvironmentSpec) -> DQNAgent:
  """What `apex_tf.agents.make_agent` calls."""
  return DQNAgent(config, spec)
