"""Builds the networks that a configuration asks for."""

import importlib
from typing import Any

import numpy as np
import sonnet as snt
import tensorflow as tf

from apex_tf import agent_config
from apex_tf.networks import dueling
from apex_tf.networks import torsos


def make_q_network(config: agent_config.DQNConfig, num_actions: int,
                   seed: int) -> snt.Module:
  """The dueling network of dqn.network, as in Horgan et al. 2018, section 4.

  A torso of one's own is `module:function`: the function is called with the
  `np.random.Generator` of the initial weights and returns a Sonnet module from
  what `stack_to_channels` returns to `<float32>[batch, features]`. Only its
  trainable variables reach the actors and the target network.

  Args:
    config: its network, hidden_sizes and dueling_hidden_size are read.
    num_actions: outputs.
    seed: of the initial weights: equal seeds give equal weights.

  Returns:
    A module from `<dtype>[batch, stack, *frame]` to
    `<float32>[batch, num_actions]`.

  Raises:
    ValueError: an unknown dqn.network, or one that makes no Sonnet module.
  """
  rng = np.random.default_rng(seed)
  if ':' in config.network:
    torso = _make_own_torso(config.network, rng)
  else:
    torso = torsos.make_torso(config.network, config.hidden_sizes, rng)
  return dueling.DuelingQNetwork(
      num_actions, torso, config.dueling_hidden_size, rng)


def create_variables(network: snt.Module, observation_spec: Any) -> None:
  """Creates a network's variables by one eager call on zeros.

  Args:
    network: as `make_q_network` builds it.
    observation_spec: `dm_env.specs.Array` of `<dtype>[stack, *frame]`.

  Raises:
    ValueError: an observation that does not suit dqn.network.
  """
  network(tf.zeros((1,) + tuple(observation_spec.shape),
                   observation_spec.dtype))


def _make_own_torso(network: str, rng: np.random.Generator) -> snt.Module:
  """Calls the function that dqn.network names as `module:function`."""
  module_name, _, function_name = network.partition(':')
  try:
    function = getattr(importlib.import_module(module_name), function_name)
  except (ImportError, AttributeError) as error:
    raise ValueError(
        f'dqn.network is {network!r}, but must be a module:function that '
        f'Python finds: {error}') from error
  torso = function(rng)
  if not isinstance(torso, snt.Module):
    raise ValueError(
        f'dqn.network is {network!r}, but must be a function that returns a '
        f'Sonnet module, not {torso!r}')
  return torso
