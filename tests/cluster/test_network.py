"""One run on eight hosts, whose cables are pulled and whose lines are slow.

The hosts are network namespaces; see `network`.
"""

import signal
import sys
import time

import pytest

from apex_tf.monitoring import status as status_lib
from tests.cluster import roles

_REPLAY_PORT, _LEARNER_PORT = 5000, 5001
# gRPC's wait between attempts to connect grows to 30 s.
_BACK_SECONDS = 60.0


class _Run:
  """The roles, each on a host of its own; what happens to them is printed."""

  def __init__(self, tmp_path, network, *flags):
    self.network = network
    self.cluster = roles.Cluster(tmp_path, [
        '--config.replay.shards=2', '--config.actor.num_actors=3',
        '--config.actor.environments_per_actor=4',
        '--config.run.max_minutes=inf', *flags])
    self.addresses = {host: network.add_host(host) for host in (
        'shard0', 'shard1', 'learner', 'evaluator', 'actor0', 'actor1',
        'actor2', 'actor1b')}
    self.replay = ','.join(f'{self.addresses[f"shard{shard}"]}:{_REPLAY_PORT}'
                           for shard in (0, 1))
    self.learner = f'{self.addresses["learner"]}:{_LEARNER_PORT}'
    self._began = time.monotonic()

  def say(self, text):
    status = self.cluster.status()
    print(f'{time.monotonic() - self._began:6.1f} s  {text} (learner step '
          f'{status.learner_steps}, agent step {status.agent_steps})')

  def start(self, module, *flags, host, name=''):
    return self.cluster.start(
        module, *flags, name=name or host, before=self.network.on(host))

  def start_actor(self, index, host, replay='', learner=''):
    return self.start('actor', f'--replay={replay or self.replay}',
                      f'--learner={learner or self.learner}',
                      f'--actor_index={index}', host=host)

  def start_learner(self, *flags):
    return self.start('learner', f'--replay={self.replay}',
                      f'--port={_LEARNER_PORT}', *flags, host='learner')

  def start_relay(self, host, port, address):
    return roles.Role('relay', [
        *self.network.on(host), sys.executable, '-m', 'tests.cluster.relay',
        f'--port={port}', f'--to={address}', '--delay=0.05',
        '--stall_every=10', '--stall=1'], self.cluster.path / 'relay.log')

  def steps_of(self, *indices):
    actors = self.cluster.status().actors
    return [actors[str(index)].agent_steps if str(index) in actors else -1
            for index in indices]

  def wait_for_progress(self, *indices, seconds=_BACK_SECONDS, learner=True):
    """Until the learner and these actors have got on; how long it took."""
    start = time.monotonic()
    before, steps = self.cluster.status(), self.steps_of(*indices)
    self.cluster.wait_until(
        lambda status: (not learner or
                        status.learner_steps > before.learner_steps) and all(
                            now > then for now, then in zip(
                                self.steps_of(*indices), steps)), seconds)
    return time.monotonic() - start


@pytest.mark.parametrize('cut_seconds, target', [
    pytest.param(5.0, None, id='short'),
    pytest.param(30.0, 475.0, id='whole', marks=pytest.mark.cluster)])
def test_cables_are_pulled(tmp_path, network, cut_seconds, target):
  run = _Run(tmp_path, network, '--config.run.target_return=inf')
  cluster = run.cluster
  relays = []
  try:
    for shard in (0, 1):
      run.start('replay', f'--port={_REPLAY_PORT}', f'--shard={shard}',
                host=f'shard{shard}')
    learner = run.start_learner()
    run.start('evaluator', f'--learner={run.learner}', host='evaluator')
    actors = [run.start_actor(index, f'actor{index}') for index in (0, 1)]
    # The third is at the end of a slow line.
    shards = run.replay.split(',')
    relays = [run.start_relay('actor2', 6000, shards[0]),
              run.start_relay('actor2', 6001, run.learner),
              run.start_relay('actor2', 6002, shards[1])]
    run.start_actor(2, 'actor2', 'localhost:6000,localhost:6002',
                    'localhost:6001')
    cluster.wait_until(lambda status: status.learner_steps > 0 and
                       len(status.actors) == 3 and status.evaluations)
    run.say('three actors act, one behind 50 ms and stalls of 1 s in 10 s')
    run.wait_for_progress(0, 1, 2)

    run.network.cut('actor0')
    run.say('the cable of actor 0 is pulled')
    run.wait_for_progress(1, 2)
    incarnation = cluster.status().actors['0'].incarnation
    time.sleep(cut_seconds)
    run.wait_for_progress(1, 2)
    run.network.mend('actor0')
    took = run.wait_for_progress(0, 1, 2)
    assert cluster.status().actors['0'].incarnation == incarnation
    run.say(f'it is back: actor 0 contributes after {took:.1f} s')

    run.network.cut('shard1')
    run.say('the cable of shard 1 is pulled')
    cluster.wait_until(lambda _: 'Replay shard 1 does not answer' in (
        learner.output))
    run.wait_for_progress(0, 2)
    time.sleep(cut_seconds)
    took = run.wait_for_progress(0, 2)
    run.network.mend('shard1')
    start = time.monotonic()
    cluster.wait_until(lambda _: 'Replay shard 1 is sampled again' in (
        learner.output), _BACK_SECONDS)
    sampled = time.monotonic() - start
    run.wait_for_progress(1)
    run.say(f'it is back: sampled after {sampled:.1f} s, written by actor 1 '
            f'after {time.monotonic() - start:.1f} s')

    actors[1].kill()
    actors[1].wait()
    run.say('the host of actor 1 is lost for good')
    run.wait_for_progress(0, 2)
    start = time.monotonic()
    run.start_actor(1, 'actor1b')
    incarnation = cluster.status().actors['1'].incarnation
    cluster.wait_until(
        lambda status: status.actors['1'].incarnation != incarnation and
        status.actors['1'].agent_steps > 0)
    run.wait_for_progress(0, 1, 2)
    run.say('a new host is actor 1, and contributes after '
            f'{time.monotonic() - start:.1f} s')

    assert learner.terminate() == 143, learner.output
    before = cluster.status()
    run.say('the learner is told to stop')
    again = run.start_learner(*(
        [f'--config.run.target_return={target}'] if target else
        [f'--config.run.max_learner_steps={before.learner_steps + 500}']))
    # With a target, it may find that it has reached it.
    cluster.wait_until(
        lambda status: status.learner_steps > before.learner_steps or
        target and status.phase == status_lib.DONE)
    run.say('it was started again, and goes on')
    assert again.wait() == 0, again.output
    summary = cluster.summary()
    run.say(f'stopped by {summary["stop_reason"]}: '
            f'{summary["final_return_mean"]:.1f} +- '
            f'{summary["final_return_std"]:.1f}')
    if target:
      assert summary['stop_reason'] == 'target_return'
  finally:
    for relay in relays:
      relay.kill(signal.SIGKILL)
    cluster.close()
