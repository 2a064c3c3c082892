"""Small learner steps of DPG, batches for them, and comparisons."""


from acme import specs
import numpy as np

from apex_tf import agents
from apex_tf import config as config_lib
from apex_tf import types
from tests import actor_critic_oracle as oracle

METRICS = {
    'loss', 'gradient_norm', 'mean_q', 'policy_q', 'policy_gradient_norm',
    'action_gradient_clipped', 'action_saturation', 'td_error_p10',
    'td_error_p50', 'td_error_p90', 'weight_mean', 'weight_min'
}
STACK, FEATURES = 2, 3
SPECS = {
    'scalar': specs.BoundedArray((), np.float32, -2.0, 2.0),
    'vector': specs.BoundedArray((2,), np.float32, [-1.0, 0.0], [3.0, 1.0]),
    'matrix': specs.BoundedArray((2, 2), np.float32, -1.0, 1.0),
}


def make_agent(actions=SPECS['vector'], **changes):
  """A tiny agent; changes are fields of the section dpg."""
  config = config_lib.Config()
  config.agent.name = 'dpg'
  config.dpg.policy_hidden_sizes = (4, 3)
  config.dpg.critic_hidden_sizes = (5, 4)
  for name, value in changes.items():
    setattr(config.dpg, name, value)
  config.validate()
  return agents.make_agent(config, specs.EnvironmentSpec(
      observations=specs.Array((STACK, FEATURES), np.float32),
      actions=actions,
      rewards=specs.Array((), np.float32),
      discounts=specs.BoundedArray((), np.float32, 0., 1.)))


def make_batch(seed, actions=SPECS['vector'], batch_size=6):
  rng = np.random.default_rng(seed)
  normal = lambda: rng.standard_normal(  # noqa: E731
      (batch_size, STACK, FEATURES)).astype(np.float32)
  return types.Transition(
      observation_tm1=normal(),
      action_tm1=rng.uniform(
          actions.minimum, actions.maximum,
          (batch_size,) + actions.shape).astype(actions.dtype),
      n_step_return=rng.standard_normal(batch_size).astype(np.float32),
      bootstrap_discount=rng.choice(
          [0., 0.97], size=batch_size).astype(np.float32),
      observation_t=normal()), rng.uniform(
          0.2, 1, batch_size).astype(np.float32)


def values(variables):
  return [variable.numpy() for variable in variables]


def randomize(networks, seed, **scales):
  """Weights with which the clip binds for some elements, not for all."""
  variables = networks.learned_variables
  scales = {'scale': 1.5, 'output_scale': 2.0, **scales}
  for variable, value in zip(
      variables, oracle.random_weights(variables, seed, **scales)):
    variable.assign(value)


def assert_close(variables, expected, **tolerance):
  tolerance = {'rtol': 1e-3, 'atol': 1e-4, **tolerance}
  assert len(variables) == len(expected)
  for variable, value in zip(variables, expected):
    np.testing.assert_allclose(variable, value, err_msg=variable.name,
                               **tolerance)


def differ(first, second, least=1e-2):
  return max(np.max(np.abs(a - b)) for a, b in zip(first, second)) > least
