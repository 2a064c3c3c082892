"""The agents: what differs between them, and nothing else.

An agent is a package with two modules: `requirements`, whose `check` says
without TensorFlow what the agent cannot act in, and `agent`, whose
`make_agent` builds it. They are imported when they are asked for, so that the
launcher does without TensorFlow.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from acme import specs

from apex_tf import config as config_lib

if TYPE_CHECKING:
  from apex_tf.agents import base


def _module(config: config_lib.Config, name: str) -> ModuleType:
  """A module of the agent that agent.name asks for.

  Raises:
    ValueError: an unknown agent.name.
  """
  if config.agent.name not in config_lib.AGENTS:
    raise ValueError(f'agent.name is {config.agent.name!r}, but must be one of '
                     f'{", ".join(config_lib.AGENTS)}')
  return importlib.import_module(f'{__name__}.{config.agent.name}.{name}')


def check(config: config_lib.Config, spec: specs.EnvironmentSpec) -> None:
  """Refuses an environment that the agent cannot act in.

  Args:
    config: the experiment.
    spec: of one environment, without a batch dimension; observations are
      `<dtype>[stack, *frame]`.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  _module(config, 'requirements').check(config, spec)


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
  return _module(config, 'agent').make_agent(config, spec)
