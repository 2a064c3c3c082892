"""Many simulated actors that fetch variables, from a learner or its cache.

  python -m apex_tf.benchmarks.variables_worker --config=JSON --actors=360

Both servers are processes of their own: the service of a learner, which does
not learn, and a variable cache. The actors are threads of this process, each
with a client of its own, and fetch as fast as they are served. Tasks:
`learner` and `cache` (whole versions from there), `poll` (asks the cache,
having its newest version).
"""

import argparse
import functools
import multiprocessing.connection
import socket
import tempfile
import threading
from typing import Sequence

import courier

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import coordinator as coordinator_lib
from apex_tf import learner_client
from apex_tf import learner_service
from apex_tf import roles
from apex_tf import transfers
from apex_tf import variables as variables_lib
from apex_tf.benchmarks import servers
from apex_tf.benchmarks import workers
from apex_tf.monitoring import run_directory

_WHOLE = [variables_lib.VERSION, variables_lib.LEARNER_STEP,
          variables_lib.POLICY]


def _serve_learner(config: config_lib.Config,
                   connection: multiprocessing.connection.Connection) -> None:
  """The learner's service, at version 0."""
  policy = builder_lib.Builder(config).make_behavior_policy(0)
  service = learner_service.LearnerService(
      variables_lib.VariablePublisher(policy.variables),
      coordinator_lib.Coordinator(config.run), config)
  server = courier.Server()
  for method in service.METHODS:
    server.Bind(method, getattr(service, method))
  server.Start()
  connection.send(server.port)
  servers.wait_for_end(connection)
  server.Stop()


def _serve_cache(config: config_lib.Config, learner_address: str,
                 connection: multiprocessing.connection.Connection) -> None:
  """The role of a cache."""
  stop = threading.Event()
  with socket.socket() as free:
    free.bind(('', 0))
    port = free.getsockname()[1]
  with tempfile.TemporaryDirectory() as directory:
    thread = threading.Thread(target=roles.run_variable_cache, args=(
        config, run_directory.RunDirectory(directory), 0, learner_address,
        f'localhost:{port}', stop),
        kwargs={'ready': lambda: connection.send(port)}, daemon=True)
    thread.start()
    servers.wait_for_end(connection)
    stop.set()
    thread.join()


class Actors:
  """Many clients of one server, each in a thread of its own."""

  def __init__(self, server: servers.Server, num_actors: int):
    """Args: that they ask; how many."""
    self._server = server
    self._sources = [learner_client.variables_at(server.address)
                     for _ in range(num_actors)]

  def ask(self, names: Sequence[str], seconds: float) -> workers.Window:
    """Has all of them ask for something, again and again.

    Args:
      names: that they ask for.
      seconds: after which no further one is asked.

    Returns:
      As `workers.measure`, and how many asked in vain.
    """
    over = threading.Event()
    answers = [0] * len(self._sources)
    failures = [0] * len(self._sources)

    def act(index: int) -> None:
      while not over.is_set():
        try:
          self._sources[index].get_variables(names)
          answers[index] += 1
        except transfers.BusyError:
          pass  # An actor acts on, and asks again.
        except Exception:  # pylint: disable=broad-except
          failures[index] += 1  # Courier raises its own type.

    threads = [threading.Thread(target=act, args=(index,))
               for index in range(len(self._sources))]

    def work() -> float:
      for thread in threads:
        thread.start()
      over.wait(seconds)
      over.set()
      for thread in threads:
        thread.join()
      return float(sum(answers))

    window = workers.measure(work, self._server.clocks())
    return {**window, 'failures': float(sum(failures))}


def main() -> None:
  """Serves until its standard input ends."""
  parser = argparse.ArgumentParser('variables_worker')
  parser.add_argument('--config', required=True)
  parser.add_argument('--actors', type=int, required=True)
  args = parser.parse_args()
  config = config_lib.Config.from_json(args.config)
  with servers.Server(functools.partial(_serve_learner, config)) as learner:
    with servers.Server(functools.partial(
        _serve_cache, config, learner.address)) as cache:
      of_learner = Actors(learner, args.actors)
      of_cache = Actors(cache, args.actors)
      workers.serve({
          'learner': functools.partial(of_learner.ask, _WHOLE),
          'cache': functools.partial(of_cache.ask, _WHOLE),
          'poll': functools.partial(of_cache.ask, [variables_lib.VERSION]),
      })


if __name__ == '__main__':
  main()
