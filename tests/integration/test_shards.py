"""A program with two shards of replay and a variable cache, and its resume."""

import re

from tests.faults import checkpoints
from tests.integration import programs

_FLAGS = ('--config.replay.shards=2', '--config.actor.num_actors=2',
          '--config.actor.variable_caches=1',
          '--config.replay.checkpoint_minutes=0.05')


def _limit(steps):
  return f'--config.run.max_learner_steps={steps}'


def test_a_program_in_shards(launch, tmp_path):
  workdir = tmp_path / 'run'
  code, out, err = launch(*_FLAGS, _limit(300)).wait()
  assert code == 0, err
  assert programs.read_json(workdir / 'summary.json')['learner_steps'] == 300
  roles = {path.stem for path in (workdir / 'roles').glob('*.json')}
  assert roles == {'replay_0', 'replay_1', 'learner', 'actor_0', 'actor_1',
                   'variable_cache_0', 'evaluator', 'launcher'}
  status = programs.read_json(workdir / 'status.json')
  assert status['replay']['silent_shards'] == []
  inserted = []
  for shard in range(2):
    points = programs.read_points(workdir, f'replay_{shard}')
    inserted.append(points['replay_size'][-1][0])
    assert inserted[-1] > 50
    assert checkpoints.Checkpoints(
        workdir / 'checkpoints' / f'replay_{shard}').newest() is not None
  # Both actors have learned variables, by way of the cache.
  for report in status['actors'].values():
    assert report['learner_step'] > 0

  code, out, err = launch(*_FLAGS, _limit(400)).wait()
  assert code == 0, err
  held = re.search(r'replay has the ([\d,]+) transitions', out.splitlines()[0])
  assert int(held[1].replace(',', '')) > 100
  for shard in range(2):
    log = (workdir / 'logs' / 'replay' / str(shard)).read_text()
    assert re.search(r'Restored \d+ transitions of replay', log)
  assert programs.read_json(workdir / 'summary.json')['learner_steps'] == 400
