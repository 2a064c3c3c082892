"""Each role as a plain process, without Launchpad, restarted on its address."""

import multiprocessing
import os
import signal
import socket
import threading
import time

import pytest

from apex_tf import config as config_lib
from apex_tf.monitoring import opening
from configs import cartpole

_PATIENCE_SECONDS = 1200.0


def _free_address():
  with socket.socket() as finder:
    finder.bind(('127.0.0.1', 0))
    return f'localhost:{finder.getsockname()[1]}'


def _config():
  config = cartpole.get_config()
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  config.replay.min_size = 100
  config.replay.capacity = 1000
  # So that the learner waits for experience while there is no actor.
  config.replay.samples_per_insert = 8.0
  config.learner.batch_size = 8
  config.learner.publish_period = 10
  config.actor.num_actors = 1
  config.actor.environments_per_actor = 2
  config.evaluator.episodes = 2
  config.evaluator.period_seconds = 1.0
  config.run = config_lib.RunConfig(metrics_period_seconds=0.5)
  config.validate()
  return config


def _run(role, arguments):
  """Of a process of its own: SIGTERM sets the event that a role is given."""
  from apex_tf import roles
  event = threading.Event()
  signal.signal(signal.SIGTERM, lambda *_: event.set())
  function = getattr(roles, f'run_{role}')
  function(*arguments, stop=event)


class _Cluster:
  """The roles of one run as processes, on addresses chosen here."""

  def __init__(self, tmp_path):
    self.config = _config()
    self.directory = opening.prepare(str(tmp_path / 'run'), 'auto')
    self._replay, self._learner = _free_address(), _free_address()
    self._context = multiprocessing.get_context('spawn')
    self._processes = []

  def start(self, role, config=None):
    common = (config or self.config, self.directory)
    arguments = {
        'replay': (*common, 0, self._replay),
        'learner': (*common, [self._replay], self._learner),
        'actor': (*common, 0, self._replay, self._learner, self._learner),
        'evaluator': (*common, self._learner),
    }[role]
    process = self._context.Process(
        target=_run, args=(role, arguments), daemon=True)
    process.start()
    self._processes.append(process)
    return process

  def status(self):
    return self.directory.read_status()

  def wait_until(self, condition):
    """Waits until the status is as wanted, counters never going back."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    last = None
    while True:
      status = self.status()
      if status is not None:
        if last is not None:
          assert status.agent_steps >= last.agent_steps
          assert status.episodes >= last.episodes
          assert status.learner_steps >= last.learner_steps
        last = status
        if condition(status):
          return status
      assert time.monotonic() < deadline, status
      time.sleep(0.1)

  def kill(self):
    for process in self._processes:
      process.kill()
      process.join()


@pytest.fixture
def cluster(tmp_path, monkeypatch):
  monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '2')
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
  cluster = _Cluster(tmp_path)
  yield cluster
  cluster.kill()


def test_plain_processes_and_a_restarted_actor(cluster):
  replay, learner = cluster.start('replay'), cluster.start('learner')
  evaluator, actor = cluster.start('evaluator'), cluster.start('actor')
  before = cluster.wait_until(
      lambda status: status.learner_steps > 0 and status.evaluations)
  incarnation = before.actors['0'].incarnation

  os.kill(actor.pid, signal.SIGKILL)
  actor.join()
  actor = cluster.start('actor')
  again = cluster.wait_until(
      lambda status: status.actors['0'].incarnation != incarnation and
      status.actors['0'].agent_steps > 50)
  # The totals hold those of the actor that was killed.
  assert again.agent_steps >= (
      before.agent_steps + again.actors['0'].agent_steps)
  # And the run goes on with what the new one brings.
  cluster.wait_until(
      lambda status: status.learner_steps >= again.learner_steps + 20)
  assert list(again.actors) == ['0']
  assert all(process.is_alive()
             for process in (replay, learner, evaluator, actor))

  # SIGTERM is the stop event of each; none needs another one to end.
  for process in (evaluator, actor, learner, replay):
    os.kill(process.pid, signal.SIGTERM)
    process.join(_PATIENCE_SECONDS)
    assert process.exitcode == 0


def test_limit_ends_all_but_replay(cluster):
  cluster.config.run.max_learner_steps = 50
  replay = cluster.start('replay')
  others = [cluster.start(role) for role in ('learner', 'actor', 'evaluator')]
  for process in others:
    process.join(_PATIENCE_SECONDS)
    assert process.exitcode == 0
  status = cluster.status()
  assert (status.phase, status.stop_reason, status.learner_steps) == (
      'done', 'max_learner_steps', 50)
  assert status.evaluations[-1].final
  assert status.evaluations[-1].learner_step == 50
  assert replay.is_alive()
  os.kill(replay.pid, signal.SIGTERM)
  replay.join(_PATIENCE_SECONDS)
  assert replay.exitcode == 0
