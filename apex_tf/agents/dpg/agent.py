"""Builds the parts of Ape-X DPG."""

from typing import Sequence

from acme import specs

from apex_tf import config as config_lib
from apex_tf import networks
from apex_tf.agents import base
from apex_tf.agents.dpg import learning
from apex_tf.agents.dpg import policy


class DPGAgent(base.Agent):
  """Ape-X DPG (Horgan et al. 2018, section 3.2 and appendix D)."""

  def __init__(self, config: config_lib.Config, spec: specs.EnvironmentSpec):
    """Keeps the configuration and the specs.

    Args:
      config: the experiment.
      spec: of one environment; observations `<dtype>[stack, features]`, actions
        a `BoundedArray` with finite bounds.
    """
    self._config = config.dpg
    self._spec = spec

  def make_behavior_policy(self, environment_indices: Sequence[int],
                           seed: int) -> policy.DPGPolicy:
    """All environments explore with the same noise, as in the paper.

    Args:
      environment_indices: as many as the actor has environments.
      seed: of the noise, and of variables until the first fetch.
    """
    return self._make_policy(
        len(environment_indices), self._config.noise_scale, seed)

  def make_evaluation_policy(self, num_environments: int,
                             seed: int) -> policy.DPGPolicy:
    """The policy without noise.

    Args:
      num_environments: the batch size.
      seed: of variables until the first fetch.
    """
    return self._make_policy(num_environments, 0.0, seed)

  def make_learner_step(self, seed: int) -> learning.DPGLearnerStep:
    """The networks and their optimizers, freshly initialized from `seed`."""
    online = self._make_networks(seed)
    config = self._config
    return learning.DPGLearnerStep(
        online=online,
        target=self._make_networks(seed),
        critic_optimizer=learning.make_adam(
            config.learning_rate, online.critic.trainable_variables),
        policy_optimizer=learning.make_adam(
            config.learning_rate, online.policy.trainable_variables),
        action_gradient_clip=config.action_gradient_clip,
        target_update_period=config.target_update_period)

  def _make_networks(self, seed: int) -> networks.ActorCritic:
    return networks.ActorCritic(
        self._config.policy_hidden_sizes, self._config.critic_hidden_sizes,
        self._spec.observations, self._spec.actions, seed)

  def _make_policy(self, num_environments: int, noise_scale: float,
                   seed: int) -> policy.DPGPolicy:
    return policy.DPGPolicy(
        self._make_networks(seed), noise_scale, num_environments,
        self._spec.observations, seed)


def make_agent(config: config_lib.Config,
               spec: specs.EnvironmentSpec) -> DPGAgent:
  """What `apex_tf.agents.make_agent` calls."""
  return DPGAgent(config, spec)
