"""Acme 0.4.0's own actor, and its DQN agent, on Pong.

  --task=actor  `FeedForwardActor`, `NStepTransitionAdder` and
                `EnvironmentLoop`, one environment, a Reverb server in another
                process. Task `act`: "count" of transitions.
  --task=agent  `acme.agents.tf.dqn.DQN`, which acts and learns in turns, with
                its server in this process. Task `run`: "transitions",
                "samples".

The environment is gymnasium's own preprocessing (84 by 84, four frames), since
Acme's wrappers are for the old gym; the network is Acme's `DQNAtariNetwork`,
dueling and of the paper's size; three-step transitions.
"""

import argparse
import functools
from typing import Any, List

from acme import environment_loop
from acme import specs
from acme import wrappers
from acme.adders import reverb as adders
from acme.agents.tf import actors
from acme.agents.tf import dqn
from acme.tf import networks
from acme.tf import utils as tf_utils
from acme.utils import loggers
import ale_py
import dm_env
import gymnasium
import numpy as np
import psutil
import reverb
import sonnet as snt
import tensorflow as tf
import trfl

from apex_tf.benchmarks import servers
from apex_tf.benchmarks import workers

gymnasium.register_envs(ale_py)


class Pong(dm_env.Environment):
  """Gymnasium's Pong as a `dm_env.Environment`, frames last."""

  def __init__(self) -> None:
    environment = gymnasium.make(
        'ALE/Pong-v5', frameskip=1, repeat_action_probability=0.0,
        full_action_space=True)
    environment = gymnasium.wrappers.AtariPreprocessing(environment)
    self._environment = gymnasium.wrappers.FrameStackObservation(environment, 4)
    self._over = True

  def reset(self) -> dm_env.TimeStep:
    self._over = False
    observation, _ = self._environment.reset()
    return dm_env.restart(_last(observation))

  def step(self, action: Any) -> dm_env.TimeStep:
    if self._over:
      return self.reset()
    observation, reward, terminated, truncated, _ = self._environment.step(
        int(action))
    self._over = terminated or truncated
    reward = np.float32(reward)
    if terminated:
      return dm_env.termination(reward, _last(observation))
    if truncated:
      return dm_env.truncation(reward, _last(observation), np.float32(1.0))
    return dm_env.transition(reward, _last(observation), np.float32(1.0))

  def observation_spec(self) -> specs.Array:
    return specs.Array((84, 84, 4), np.uint8)

  def action_spec(self) -> specs.DiscreteArray:
    return specs.DiscreteArray(18, np.int32)


def _last(observation: Any) -> np.ndarray:
  return np.ascontiguousarray(np.moveaxis(np.asarray(observation), 0, -1))


class FloatNetwork(snt.Module):
  """Acme's network takes floats."""

  def __init__(self) -> None:
    super().__init__()
    self._network = networks.DQNAtariNetwork(18)

  def __call__(self, observation: tf.Tensor) -> tf.Tensor:
    return self._network(tf.cast(observation, tf.float32) / 255.0)


def make_tables(spec: specs.EnvironmentSpec) -> List[reverb.Table]:
  """As of Acme's DQN."""
  return [reverb.Table(
      adders.DEFAULT_PRIORITY_TABLE,
      sampler=reverb.selectors.Prioritized(0.6),
      remover=reverb.selectors.Fifo(),
      max_size=50_000,
      rate_limiter=reverb.rate_limiters.MinSize(1),
      signature=adders.NStepTransitionAdder.signature(spec))]


def serve_actor(environment: dm_env.Environment) -> None:
  """Measures whole episodes, as Acme's loop runs them; so windows vary."""
  spec = specs.make_environment_spec(environment)
  network = FloatNetwork()
  tf_utils.create_variables(network, [spec.observations])
  policy = snt.Sequential([
      network, lambda q: trfl.epsilon_greedy(q, epsilon=0.1).sample()])
  with servers.ReplayServer(functools.partial(make_tables, spec)) as server:
    adder = adders.NStepTransitionAdder(
        reverb.Client(server.address), n_step=3, discount=0.99)
    actor = actors.FeedForwardActor(policy, adder)
    loop = environment_loop.EnvironmentLoop(
        environment, actor, logger=loggers.NoOpLogger())
    clocks = server.clocks()

    def step() -> float:
      return float(loop.run_episode()['episode_length'])

    workers.serve(
        {'act': lambda seconds: workers.count(step, seconds, clocks)})


def serve_agent(environment: dm_env.Environment, batch_size: int) -> None:
  """Acts and learns in turns, one sample for each transition."""
  agent = dqn.DQN(
      specs.make_environment_spec(environment), FloatNetwork(),
      batch_size=batch_size, prefetch_size=4, samples_per_insert=1.0,
      min_replay_size=1000, max_replay_size=50_000, n_step=3,
      logger=loggers.NoOpLogger())
  timestep = environment.reset()
  agent.observe_first(timestep)

  def step() -> float:
    nonlocal timestep
    if timestep.last():
      timestep = environment.reset()
      agent.observe_first(timestep)
    else:
      action = agent.select_action(timestep.observation)
      timestep = environment.step(action)
      agent.observe(action, timestep)
    agent.update()
    return 1.0

  def learner_steps() -> int:
    return int(agent._learner._num_steps.numpy())

  while not learner_steps():
    step()

  def run(seconds: float) -> workers.Window:
    before = learner_steps()
    window = workers.count(step, seconds, {
        'cpu_seconds': lambda: servers.cpu_seconds(psutil.Process())})
    window['transitions'] = window['count']
    window['samples'] = float(batch_size * (learner_steps() - before))
    return window

  workers.serve({'run': run})


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('acme_worker')
  parser.add_argument('--task', choices=('actor', 'agent'), required=True)
  parser.add_argument('--batch', type=int, default=128)
  args = parser.parse_args()
  environment = wrappers.SinglePrecisionWrapper(Pong())
  if args.task == 'actor':
    serve_actor(environment)
  else:
    serve_agent(environment, args.batch)


if __name__ == '__main__':
  main()
