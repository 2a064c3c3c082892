"""What the manifests run, run as it stands: each pod on a host of its own."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from tests.cluster import roles
from tests.deploy import manifests
from tests.faults import checkpoints

_GET = ('import sys, urllib.request as u; '
        'u.urlopen(sys.argv[1], timeout=10).read()')
_BIN = pathlib.Path(sys.executable).parent


class _Engine:
  """Starts containers as their nodes would, each pod on a host of its own."""

  def __init__(self, path, network, containers, flagfile):
    self._path = path
    self._network = network
    self.containers = list(containers)
    # The name of an interface is short.
    self._hosts = {}
    for container in self.containers:
      if container.host not in self._hosts:
        self._hosts[container.host] = f'pod{len(self._hosts)}'
        network.add_host(self._hosts[container.host], container.aliases)
    (path / 'config').mkdir()
    # It is not to end before it has been looked at.
    (path / 'config' / 'run.flags').write_text(
        f'{flagfile.read_text()}--config.run.target_return=inf\n')
    self.roles = {}

  def start_all(self):
    for container in reversed(self.containers):  # In any order.
      mounts = {where: str(self.volume(name))
                for where, name in container.volumes.items()}
      if container.config_path:
        mounts[container.config_path] = str(self._path / 'config')
      if '--workdir=/srv/apex/run' in container.command:
        mounts.setdefault('/srv/apex/run', str(self.volume(container.name)))
      self.roles[container.name] = roles.Role(
          container.name,
          [*self._network.on(self._hosts[container.host], mounts),
           *container.command], self._path / f'{container.name}.log',
          {**container.environment,
           'PATH': os.pathsep.join([str(_BIN), os.environ['PATH']])})

  def volume(self, name):
    """The directory of a volume."""
    directory = self._path / name
    directory.mkdir(exist_ok=True)
    return directory

  def answers(self, container, port, path):
    """Whether a probe of a container is answered."""
    return not subprocess.run(
        [*self._network.on(self._hosts[container.host]), sys.executable, '-S',
         '-c', _GET, f'http://127.0.0.1:{port}{path}'], capture_output=True,
        check=False).returncode

  def wait_until(self, condition, *args):
    deadline = time.monotonic() + roles.PATIENCE_SECONDS
    while not condition(*args):
      assert time.monotonic() < deadline and all(
          role.runs() or role.wait() == 0 for role in self.roles.values()), {
              role.name: role.output[-2000:] for role in self.roles.values()}
      time.sleep(0.2)

  def close(self):
    for role in self.roles.values():
      role.kill()
      role.wait()


def _run(engine, learner_volume, num_actors):
  """Until there is some of everything; then all are told to stop."""
  run = run_directory.RunDirectory(str(engine.volume(learner_volume)))

  def has_all():
    status = run.read_status()
    return status is not None and status.learner_steps > 0 and (
        len(status.actors) == num_actors and status.evaluations)

  engine.start_all()
  engine.wait_until(has_all)
  for container in engine.containers:
    for port, path in container.probes.values():
      engine.wait_until(engine.answers, container, port, path)
  for role in engine.roles.values():
    role.kill(signal.SIGTERM)
  for name, role in engine.roles.items():
    # TensorBoard ends as it likes.
    assert role.wait() == 143 or manifests.TENSORBOARD in name, role.output
  assert checkpoints.Checkpoints(
      engine.volume(learner_volume) / 'checkpoints' / 'learner'
  ).newest() is not None


def _has_replay(directory, shard):
  return checkpoints.Checkpoints(
      directory / 'checkpoints' / f'replay_{shard}').newest() is not None


@pytest.mark.cluster
@pytest.mark.parametrize('make_containers, flags, learner, replay, actors', [
    pytest.param(manifests.pod_containers, manifests.KUBERNETES,
                 'learner-0.data', 'replay-{}.data', 4, id='kubernetes'),
    pytest.param(manifests.compose_containers, manifests.DEPLOY, 'learner',
                 'replay-{}', 2, id='compose')])
def test_the_containers_run(tmp_path, network, make_containers, flags, learner,
                            replay, actors):
  engine = _Engine(tmp_path, network, make_containers(), flags / 'run.flags')
  try:
    _run(engine, learner, actors)
    assert all(_has_replay(engine.volume(replay.format(shard)), shard)
               for shard in range(2))
  finally:
    engine.close()


# In the place of Slurm's commands: a component's tasks are processes here.
_SRUN = '''#!{python}
import os, re, subprocess, sys
words = sys.argv[1:]
flags = {{}}
while words[0].startswith('--'):
  name, _, value = words.pop(0)[2:].partition('=')
  flags[name] = value
script = open({script!r}).read().split('#SBATCH hetjob')
count = int(re.search(r'--ntasks=(\\d+)', script[int(flags['het-group'])])[1])
tasks = [subprocess.Popen(
    words, env={{**os.environ, 'SLURM_PROCID': str(task)}},
    stdout=subprocess.PIPE if 'label' in flags else None)
         for task in range(count)]
with open(os.path.join({pids!r}, str(os.getpid())), 'w') as file:
  file.writelines(f'{{task.pid}}\\n' for task in tasks)
for number, task in enumerate(tasks):
  out, _ = task.communicate()
  if out:
    print(f'{{number}}: {{out.decode().strip()}}')
sys.exit(max(task.returncode for task in tasks))
'''
_SCANCEL = '''#!/bin/sh
test "$*" = '--signal=TERM 4321' || exit 1
kill -TERM $(cat {pids}/*) 2>/dev/null
exit 0
'''


@pytest.fixture
def slurm(tmp_path):
  """Runs the job's script; what it is, before it has ended."""
  script = manifests.DEPLOY / 'slurm' / 'apex.sbatch'
  pids = tmp_path / 'pids'
  commands = tmp_path / 'commands'
  for directory in (pids, commands):
    directory.mkdir()
  for name, text in (('srun', _SRUN), ('scancel', _SCANCEL)):
    (commands / name).write_text(text.format(
        python=sys.executable, script=str(script), pids=str(pids)))
    (commands / name).chmod(0o700)
  started = []

  def start(*flags):
    for file in pids.iterdir():  # Of a job that has ended.
      file.unlink()
    started.append(roles.Role(
        'job', [str(script), *flags], tmp_path / f'job_{len(started)}.log', {
            'SLURM_JOB_ID': '4321', 'APEX_WORKDIR': str(tmp_path / 'run'),
            'PATH': os.pathsep.join(
                [str(commands), str(_BIN), os.environ['PATH']])}))
    return started[-1]

  yield start
  for job in started:
    job.kill()
    job.wait()


@pytest.mark.cluster
def test_the_job_of_slurm_runs_and_goes_on(tmp_path, slurm):
  flags = ('--config.run.target_return=inf', '--config.run.max_minutes=inf')
  run = run_directory.RunDirectory(str(tmp_path / 'run'))
  job = slurm(*flags)
  deadline = time.monotonic() + roles.PATIENCE_SECONDS
  while (run.read_status() or status_lib.RunStatus()).learner_steps < 10:
    assert job.runs() and time.monotonic() < deadline, job.output
    time.sleep(0.2)
  # As Slurm does before the time is over: the script alone.
  os.kill(job.pid, signal.SIGTERM)
  assert job.wait() == 0, job.output
  steps = run.read_summary()['learner_steps']
  assert all(_has_replay(tmp_path / 'run', shard) for shard in range(2))

  job = slurm(*flags, f'--config.run.max_learner_steps={steps + 200}')
  assert job.wait() == 0, job.output
  assert f'Restored the learner at step {steps} ' in job.output
  assert len(re.findall(
      r'Restored \d+ transitions of replay', job.output)) == 2
  summary = run.read_summary()
  assert summary['stop_reason'] == 'max_learner_steps'
  assert summary['learner_steps'] == steps + 200
  assert set(run.read_status().actors) == {'0', '1', '2', '3'}
