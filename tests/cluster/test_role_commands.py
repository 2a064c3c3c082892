"""Whole runs by the commands of single roles, and what goes wrong with them."""

import json
import urllib.error
import urllib.request

import portpicker
import pytest

# Past any proxy of the environment.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _addresses(count):
  ports = [portpicker.pick_unused_port() for _ in range(count)]
  return ports, [f'localhost:{port}' for port in ports]


def _get(port, path):
  """Code and body."""
  try:
    with _OPENER.open(
        f'http://localhost:{port}{path}', timeout=10) as answer:
      return answer.status, json.loads(answer.read())
  except urllib.error.HTTPError as error:
    return error.code, json.loads(error.read())


def test_a_run_in_any_order(make_cluster):
  cluster = make_cluster(
      '--config.replay.shards=2', '--config.actor.num_actors=2',
      '--config.run.max_learner_steps=300')
  ports, addresses = _addresses(5)
  shards, learner, cache = addresses[:2], addresses[2], addresses[3]
  replay = f'--replay={",".join(shards)}'
  # The last of the chain first: each waits for what it needs.
  actors = [
      cluster.start('actor', replay, f'--learner={learner}',
                    f'--variables={cache}', name='actor_0',
                    environment={'JOB_COMPLETION_INDEX': '0'}),
      cluster.start('actor', replay, f'--learner={learner}',
                    f'--health_port={ports[4]}', name='actor_1',
                    environment={'SLURM_PROCID': '1'})]
  evaluator = cluster.start('evaluator', f'--learner={learner}')
  cluster.wait_until(lambda _: 'Waiting for learner at' in actors[1].output)
  assert f'Waiting for learner at {learner}, 10 min at most' in (
      actors[1].output)
  assert _get(ports[4], '/healthz')[0] == 200
  assert _get(ports[4], '/readyz')[0] == 503
  caches = cluster.start('variable_cache', f'--learner={learner}',
                         f'--port={ports[3]}')
  learning = cluster.start('learner', replay, f'--port={ports[2]}')
  cluster.wait_until(lambda _: 'Waiting for replay at' in learning.output)
  servers = [cluster.start('replay', f'--port={port}', f'--shard={shard}',
                           name=f'replay_{shard}')
             for shard, port in enumerate(ports[:2])]
  cluster.wait_until(lambda status: status.learner_steps > 0)
  code, body = _get(ports[4], '/readyz')
  assert code == 200 and body['role'] == 'actor_1' and body['ready'] is True
  # The limit ends all but the servers, which an engine ends.
  for role in (learning, evaluator, caches, *actors):
    assert role.wait() == 0, role.output
  summary = cluster.summary()
  assert summary['stop_reason'] == 'max_learner_steps'
  assert summary['learner_steps'] == summary['evaluated_version'] == 300
  assert summary['final_evaluation_complete'] is True
  status = cluster.status()
  assert set(status.actors) == {'0', '1'}
  assert all(report.items_inserted for report in status.actors.values())
  assert 'final return' in learning.output
  for role in servers:
    assert role.runs()
    assert role.terminate() == 143, role.output
  assert (cluster.path / 'actor_1' / 'tensorboard' / 'actor_1').is_dir()
  assert (cluster.path / 'replay_1' / 'tensorboard' / 'replay_1').is_dir()
  assert not (cluster.path / 'actor_1' / 'config.json').exists()


@pytest.fixture
def running(make_cluster):
  """A run of one actor that learns; its cluster and addresses."""
  cluster = make_cluster()
  ports, (replay, learner) = _addresses(2)
  cluster.start('replay', f'--port={ports[0]}')
  cluster.start('learner', f'--replay={replay}', f'--port={ports[1]}')
  cluster.start('actor', f'--replay={replay}', f'--learner={learner}',
                '--actor_index=0')
  cluster.wait_until(lambda status: status.learner_steps > 10)
  return cluster, replay, learner


def test_who_does_not_belong_is_refused(running):
  cluster, replay, learner = running
  port = portpicker.pick_unused_port()
  actor = ('actor', f'--replay={replay}', f'--learner={learner}',
           '--actor_index=0')
  refused = [
      ('there is actor_0 already, and it reports: ',
       cluster.start(*actor, name='same_index')),
      ('has a learner, which is at work: ',
       cluster.start('learner', f'--replay={replay}', f'--port={port}',
                     name='second')),
      ('agent.n_step is 7, but must be 10; actor.num_actors is 5, but must be '
       '1, as the learner has it',
       cluster.start(*actor, '--config.agent.n_step=7', '--num_actors=5',
                     name='other_config')),
      (f'{replay} answers, but not as a learner does: is it the right port?',
       cluster.start('evaluator', f'--learner={replay}', name='wrong')),
      (f'{learner} answers, but not as a replay server does: is it the right '
       'port?', cluster.start(
           'learner', f'--replay={learner}',
           f'--port={portpicker.pick_unused_port()}', name='wrong_replay')),
      ('learner at localhost:1 has not answered for 3 s',
       cluster.start('evaluator', '--learner=localhost:1',
                     '--wait_minutes=0.05', name='nobody')),
  ]
  for message, role in refused:
    assert role.wait() == 1, role.output
    assert message in role.output.splitlines()[-1], role.output
  before = cluster.status()
  cluster.wait_until(lambda status: status.learner_steps > (
      before.learner_steps + 50))
  assert set(cluster.status().actors) == {'0'}
  assert cluster.status().actors['0'].incarnation == (
      before.actors['0'].incarnation)
