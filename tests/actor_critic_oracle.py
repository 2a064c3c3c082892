"""The networks of DPG in numpy, in double precision, written out.

Nothing of `apex_tf` computes anything here: weights are taken from variables
by their names, and the rest is the equations of the paper.
"""

from typing import Any, List, NamedTuple, Sequence, Tuple

import numpy as np

# Weights and biases of each layer, first to last.
Layers = List[Tuple[np.ndarray, np.ndarray]]


class Networks(NamedTuple):
  """Both networks of an actor-critic."""
  policy: Layers
  critic: Layers


def random_weights(variables: Sequence[Any], seed: int, scale: float = 1.0,
                   output_scale: float = 1.0) -> List[np.ndarray]:
  """Weights with which every layer matters, unlike those of a new network.

  Args:
    variables: with names and shapes.
    seed: of the weights.
    scale: of all layers' weights, over the root of their inputs.
    output_scale: of the last layers' weights, besides.

  Returns:
    `<float32>` arrays in the variables' order; biases are not zero either.
  """
  rng = np.random.default_rng(seed)
  result = []
  for variable in variables:
    shape = tuple(variable.shape)
    value = rng.standard_normal(shape)
    if len(shape) == 2:
      value *= scale / np.sqrt(shape[0])
      value *= output_scale if '/output/' in variable.name else 1.0
    else:
      value *= 0.3
    result.append(value.astype(np.float32))
  return result


def networks(variables: Sequence[Any], values: Sequence[Any]) -> Networks:
  """Reads weights by name.

  Args:
    variables: of policy and critic, in any order.
    values: theirs.
  """
  found = {variable.name: np.array(value, np.float64)
           for variable, value in zip(variables, values)}
  return Networks(_layers(found, 'actor_critic/policy/'),
                  _layers(found, 'actor_critic/critic/'))


def of_variables(variables: Sequence[Any]) -> Networks:
  """Those that the variables have now."""
  return networks(variables, [variable.numpy() for variable in variables])


def _layers(values: Any, prefix: str) -> Layers:
  """`linear_0`, `linear_1`, ... and `output`."""
  names = sorted(name for name in values if name.startswith(prefix))
  weights = [name for name in names if name.endswith('/w:0')]
  biases = [name for name in names if name.endswith('/b:0')]
  assert len(names) == len(weights) + len(biases) and weights
  in_order = sorted(range(len(weights)), key=lambda i: (
      '/output/' in weights[i], weights[i]))
  return [(values[weights[i]], values[biases[i]]) for i in in_order]


def _tanh_network(layers: Layers, inputs: np.ndarray) -> np.ndarray:
  for weight, bias in layers[:-1]:
    inputs = np.tanh(inputs @ weight + bias)
  weight, bias = layers[-1]
  return inputs @ weight + bias


def _features(observation: np.ndarray) -> np.ndarray:
  """`[batch, stack, features]` end to end."""
  return np.reshape(observation, (len(observation), -1)).astype(np.float64)


def pi(layers: Layers, observation: np.ndarray, action_spec: Any) -> np.ndarray:
  """`<float64>[batch, action size]`, between the bounds of the spec."""
  low, high = (np.broadcast_to(bound, action_spec.shape).ravel().astype(
      np.float64) for bound in (action_spec.minimum, action_spec.maximum))
  place = np.tanh(_tanh_network(layers, _features(observation)))
  return (low + high) / 2 + (high - low) / 2 * place


def q(layers: Layers, observation: np.ndarray,
      action: np.ndarray) -> np.ndarray:
  """`<float64>[batch]`, of actions `[batch, ...]`."""
  action = np.reshape(action, (len(observation), -1)).astype(np.float64)
  return _tanh_network(
      layers, np.concatenate([_features(observation), action], axis=1))[:, 0]
