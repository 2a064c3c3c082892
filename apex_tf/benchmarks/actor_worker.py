"""An actor that is measured, and the same without all that makes it one.

  python -m apex_tf.benchmarks.actor_worker --config=JSON

Task `apex`: an actor as in a run: environments, policy, exploration, n-step
items with their priorities into a Reverb server in another process, variables
fetched, metrics kept. Task `bare`: the same environments and the same policy
call in a loop, and nothing else; its environments are others of the same kind,
so that no task sees the end of an episode of the other.
"""

import argparse
import time

import reverb

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf import leases
from apex_tf import variables as variables_lib
from apex_tf.benchmarks import play
from apex_tf.benchmarks import servers
from apex_tf.benchmarks import workers
from apex_tf.monitoring import actor_monitor

_METRICS_SECONDS = 5.0


class Apex:
  """What `roles.run_actor` runs, without its connections to a learner."""

  def __init__(self, builder: builder_lib.Builder, server_address: str):
    """Args: what builds the parts, and `host:port` of a Reverb server."""
    policy = builder.make_behavior_policy(0)
    source = variables_lib.VariablePublisher(policy.variables)
    variable_client = builder.make_variable_client(source, policy)
    variable_client.update_now()
    adder = builder.make_adder(reverb.Client(server_address))
    self._loop = environment_loop.EnvironmentLoop(
        builder.make_environment(0),
        builder.make_actor(policy, variable_client, adder),
        builder.config.environment.reward_clip)
    self._monitor = actor_monitor.ActorMonitor(
        self._loop, adder, policy, variable_client, leases.this_process())
    self._logged_at = time.monotonic()

  def step(self) -> float:
    """One step of every environment; transitions."""
    before = self._loop.agent_steps
    self._monitor.observe(self._loop.step())
    now = time.monotonic()
    if now - self._logged_at >= _METRICS_SECONDS:
      self._logged_at = now
      self._monitor.report()
      self._monitor.metrics()
    return float(self._loop.agent_steps - before)


class Bare:
  """Environments and policy: what acting cannot do without."""

  def __init__(self, builder: builder_lib.Builder):
    """Args: what builds the parts."""
    self._environment = builder.make_environment(1)
    self._policy = builder.make_behavior_policy(0)
    self._timestep = self._environment.reset()

  def step(self) -> float:
    """One step of every environment; transitions."""
    output = self._policy(self._timestep.observation)
    self._timestep = self._environment.step(output.action)
    return float((self._timestep.step_type != 0).sum())


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('actor_worker')
  parser.add_argument('--config', required=True)
  config = config_lib.Config.from_json(parser.parse_args().config)
  builder = builder_lib.Builder(config)
  with servers.ReplayServer(play.table_maker(builder)) as server:
    apex, bare = Apex(builder, server.address), Bare(builder)
    clocks = server.clocks()
    workers.serve({
        'apex': lambda seconds: workers.count(apex.step, seconds, clocks),
        'bare': lambda seconds: workers.count(bare.step, seconds, clocks),
    })


if __name__ == '__main__':
  main()
