"""What the manifests run, run as it stands: each pod on a host of its own."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from tests.cluster import network as network_lib
from tests.cluster import roles
from tests.deploy import manifests
from tests.faults import checkpoints

_GET = ('import sys, urllib.request as u; '
        'print(u.urlopen(sys.argv[1], timeout=10).read().decode())')


@pytest.fixture
def network():
  try:
    made = network_lib.Network()
  except network_lib.UnavailableError as error:
    pytest.skip(f'no network of namespaces here: {error}')
  yield made
  made.close()


class _Pods:
  """The pods of `deploy/kubernetes`, started as their nodes would."""

  def __init__(self, path, network):
    self._path = path
    self._network = network
    self._mounts = {}
    self.roles = {}
    self.containers = list(manifests.containers())
    for container in self.containers:
      if container.pod not in self._mounts:
        self._mounts[container.pod] = self._volumes(container.pod)
        network.add_host(self._host(container.pod), manifests.names(
            container.pod, container.labels))

  def start(self, container):
    mounts = {mount['mountPath']: self._mounts[container.pod][mount['name']]
              for mount in container.spec['volumeMounts']}
    self.roles[container.name] = roles.Role(
        container.name, [*self._network.on(self._host(container.pod), mounts),
                        *container.command],
        self._path / f'{container.name}.log',
        {**container.environment, 'PATH': os.pathsep.join(
            [str(pathlib.Path(sys.executable).parent), os.environ['PATH']])})

  def get(self, container, probe):
    """What a probe of a container is answered, or None."""
    http = container.spec[probe]['httpGet']
    port, = [port['containerPort'] for port in container.spec['ports']
             if port['name'] == http['port']]
    got = subprocess.run(
        [*self._network.on(self._host(container.pod)), sys.executable, '-S',
         '-c', _GET, f'http://127.0.0.1:{port}{http["path"]}'],
        capture_output=True, text=True, check=False)
    return got.stdout if got.returncode == 0 else None

  def directory(self, pod):
    return run_directory.RunDirectory(self._mounts[pod]['data'])

  def close(self):
    for role in self.roles.values():
      role.kill()
      role.wait()

  def _host(self, pod):
    # The name of an interface is short.
    return f'pod{list(self._mounts).index(pod)}'

  def _volumes(self, pod):
    data = self._path / pod
    data.mkdir()
    config = self._path / f'{pod}.config'
    config.mkdir()
    (config / 'run.flags').write_text(
        (manifests.KUBERNETES / 'run.flags').read_text())
    return {'data': str(data), 'run': str(config)}


def test_the_pods_run(tmp_path, network):
  pods = _Pods(tmp_path, network)
  run = pods.directory('learner-0')

  def status():
    return run.read_status() or status_lib.RunStatus()

  def wait_until(condition, *args):
    deadline = time.monotonic() + roles.PATIENCE_SECONDS
    while not condition(*args):
      assert all(role.runs() or role.wait() == 0
                 for role in pods.roles.values()) and (
                     time.monotonic() < deadline), {
                         role.name: role.output[-2000:]
                         for role in pods.roles.values()}
      time.sleep(0.2)

  try:
    for container in reversed(pods.containers):
      pods.start(container)
    wait_until(lambda: status().learner_steps > 0 and
               len(status().actors) == 4 and status().evaluations)
    for container in pods.containers:
      for probe in ('startupProbe', 'livenessProbe', 'readinessProbe'):
        if probe in container.spec:
          wait_until(pods.get, container, probe)
    # As an update of all pods: what they leave is on their volumes.
    for role in pods.roles.values():
      role.kill(signal.SIGTERM)
    for name, role in pods.roles.items():
      assert role.wait() == 0 or name.endswith('tensorboard'), role.output
    for shard in range(2):
      assert checkpoints.Checkpoints(
          tmp_path / f'replay-{shard}' / 'checkpoints' / f'replay_{shard}'
      ).newest() is not None
    assert checkpoints.Checkpoints(
        tmp_path / 'learner-0' / 'checkpoints' / 'learner').newest() is not None
  finally:
    pods.close()
