"""The agents: what differs between them, and nothing else.

An agent is a package with three modules: `requirements`, whose `check` says
what the agent cannot act in; `metrics`, whose `METRICS` only it has; and
`agent`, whose `make_agent` builds it. They are imported when they are asked
for, and only the last imports TensorFlow, which the launcher does without.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, List

from acme import specs

from apex_tf import agent_config
from apex_tf import config as config_lib

if TYPE_CHECKING:
  from apex_tf.agents import base
  from apex_tf.monitoring import metric_table


def _module(agent: str, name: str) -> ModuleType:
  """A module of an agent.

  Raises:
    ValueError: an unknown agent.name.
  """
  if agent not in agent_config.AGENTS:
    raise ValueError(f'agent.name is {agent!r}, but must be one of '
                     f'{", ".join(agent_config.AGENTS)}')
  return importlib.import_module(f'{__name__}.{agent}.{name}')


def metrics() -> 'List[metric_table.Metric]':
  """The metrics that only one agent has, of all agents."""
  return [metric for agent in agent_config.AGENTS
          for metric in _module(agent, 'metrics').METRICS]


def check(config: config_lib.Config, spec: specs.EnvironmentSpec) -> None:
  """Refuses an environment that the agent cannot act in.

  Args:
    config: the experiment.
    spec: of one environment, without a batch dimension; observations are
      `<dtype>[stack, *frame]`.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  _module(config.agent.name, 'requirements').check(config, spec)


def make_agent(config: config_lib.Config,
               spec: specs.EnvironmentSpec) -> 'base.Agent':
  """Builds the agent that agent.name asks for.

  Args:
    config: the experiment.
    spec: as `check`.

  Returns:
    The agent, which builds its policies and its learner step.

  Raises:
    ValueError: as `check`.
  """
  check(config, spec)
  return _module(config.agent.name, 'agent').make_agent(config, spec)
