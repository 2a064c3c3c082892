"""What the tests of the processes share: a learner, and an environment that
fails when it is told to."""

import threading
from typing import Any, Iterator, List

import courier
import gymnasium
import numpy as np
import pytest

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import learner_service
from apex_tf import variables as variables_lib
from configs import cartpole


class FailingEnvironment(gymnasium.Env):
  """Episodes without an end, until all of them are to fail.

  Attributes:
    fails: set once every step is to raise an error.
    open: those that were made and are not closed.
  """

  observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)
  action_space = gymnasium.spaces.Discrete(2)
  fails = threading.Event()
  open: List[gymnasium.Env] = []

  def __init__(self) -> None:
    self.open.append(self)

  def reset(self, *, seed: Any = None, options: Any = None) -> Any:
    return np.zeros(2, np.float32), {}

  def step(self, action: Any) -> Any:
    if self.fails.is_set():
      raise RuntimeError('the simulator is gone')
    return np.zeros(2, np.float32), 1.0, False, False, {}

  def close(self) -> None:
    self.open.remove(self)


gymnasium.register('Failing-v0', FailingEnvironment)


@pytest.fixture
def failing() -> Iterator[type]:
  """The environment `Failing-v0`, which does not fail as yet."""
  FailingEnvironment.fails.clear()
  FailingEnvironment.open.clear()
  yield FailingEnvironment
  FailingEnvironment.fails.set()


@pytest.fixture
def config() -> config_lib.Config:
  """Of a run with `Failing-v0` that is never over."""
  config = cartpole.get_config()
  config.environment.id = 'Failing-v0'
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  config.replay.samples_per_insert = 0.0  # Nobody samples.
  config.actor.environments_per_actor = 2
  config.evaluator.period_seconds = 0.01
  config.run = config_lib.RunConfig()
  config.validate()
  return config


class Learner:
  """What a learner offers, after one step.

  Attributes:
    address: `host:port` of its service.
    heard: the role of each report.
    coordinator: of its run.
    publisher: of its variables.
  """

  def __init__(self, config: config_lib.Config):
    self.heard: List[str] = []
    self._config = config
    self.coordinator = coordinator_lib.Coordinator(config.run)
    self.coordinator.report_learner(1)
    self.publisher = variables_lib.VariablePublisher(
        builder_lib.Builder(config).make_behavior_policy(0).variables)
    self._service = learner_service.LearnerService(
        self.publisher, self.coordinator, config, self.heard.append)
    self._server = courier.Server()
    for method in self._service.METHODS:
      self._server.Bind(method, getattr(self._service, method))
    self._server.Start()
    self.address = f'localhost:{self._server.port}'

  def is_free(self, role: str) -> bool:
    """Whether nobody has this role; then another process has it from now on."""
    return not self._service.join(
        role, 'another', '1', self._config.to_json())['held_by']

  def close(self) -> None:
    self._server.Stop()


@pytest.fixture
def learner(config: config_lib.Config, failing: type) -> Iterator[Learner]:
  """A learner over real Courier."""
  made = Learner(config)
  yield made
  made.close()
