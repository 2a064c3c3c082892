"""Epsilon-greedy policies."""

from typing import Any, Dict, Sequence

import numpy as np
import sonnet as snt
import tensorflow as tf

from apex_tf import exploration
from apex_tf import graph_calls
from apex_tf import types
from apex_tf.agents import base


class DQNPolicy(base.Policy):
  """One batched call of the network; epsilon-greedy outside of the graph."""

  def __init__(self, network: snt.Module, epsilons: np.ndarray,
               observation_spec: Any, action_spec: Any, seed: int):
    """Acts with one batch size; the first call builds the graph.

    Args:
      network: `<dtype>[batch, stack, *frame]` to `<float32>[batch,
        num_actions]`; its variables exist.
      epsilons: `<float>[batch]`, one an environment.
      observation_spec: `dm_env.specs.Array` of `<dtype>[stack, *frame]`.
      action_spec: a `dm_env.specs.DiscreteArray`.
      seed: of the random numbers of the exploration.
    """
    self._network = network
    self._epsilons = np.asarray(epsilons)
    self._action_dtype = action_spec.dtype
    self._rng = np.random.default_rng(seed)
    self._rows = np.arange(len(self._epsilons))
    self._shape = (len(self._epsilons),) + tuple(observation_spec.shape)
    self._dtype = np.dtype(observation_spec.dtype)
    self._q_values = graph_calls.GraphCall(network)

  @property
  def variables(self) -> Sequence[tf.Variable]:
    return self._network.trainable_variables

  def __call__(self, observation: np.ndarray) -> types.PolicyOutput:
    """Chooses actions, as `base.Policy`.

    Raises:
      ValueError: another batch size, shape or dtype than the policy's.
    """
    base.check_observation(observation, self._shape, self._dtype)
    q_t = self._q_values(tf.constant(observation)).numpy()
    a_t = exploration.epsilon_greedy(q_t, self._epsilons, self._rng)
    return types.PolicyOutput(
        action=a_t.astype(self._action_dtype),
        action_value=q_t[self._rows, a_t],
        bootstrap_value=np.max(q_t, axis=1))

  @property
  def exploration(self) -> str:
    low, high = np.min(self._epsilons), np.max(self._epsilons)
    return f'ε {low:.2g}' + (f' to {high:.2g}' if low != high else '')

  def metrics(self) -> Dict[str, float]:
    return {
        'epsilon_min': float(np.min(self._epsilons)),
        'epsilon_max': float(np.max(self._epsilons)),
        'epsilon_mean': float(np.mean(self._epsilons)),
    }
