"""The agents: what differs between them, and nothing else."""

from typing import Callable, Dict

from acme import specs

from apex_tf import config as config_lib
from apex_tf.agents import base
from apex_tf.agents import dqn

_AGENTS: Dict[str, Callable[[config_lib.Config, specs.EnvironmentSpec],
                            base.Agent]] = {
    'dqn': dqn.DQNAgent,
}


def make_agent(config: config_lib.Config,
               spec: specs.EnvironmentSpec) -> base.Agent:
  """Builds the agent that agent.name asks for.

  Args:
    config: the experiment.
    spec: of one environment, without a batch dimension; observations are
      `<dtype>[stack, *frame]`.

  Returns:
    The agent, which builds its policies and its learner step.

  Raises:
    ValueError: an unknown agent.name, or a spec that the agent cannot serve.
  """
  if config.agent.name not in _AGENTS:
    raise ValueError(f'agent.name is {config.agent.name!r}, but must be one of '
                     f'{", ".join(_AGENTS)}')
  return _AGENTS[config.agent.name](config, spec)


__all__ = ['base', 'make_agent']
