"""What the manifests ask for, as the engines they are for would read them."""

import pathlib
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Set

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / 'deploy'
KUBERNETES = DEPLOY / 'kubernetes'
WORKLOADS = ('Deployment', 'Job', 'StatefulSet')
TENSORBOARD = 'tensorboard'

_Mapping = Dict[str, Any]


class Container(NamedTuple):
  """One container, as its node would start it.

  Attributes:
    name: which there is once.
    host: on which it runs; containers of one pod share it.
    aliases: by which others find that host.
    command: with its arguments, variables expanded.
    environment: that it is given.
    config_path: of the directory that has run.flags.
    volumes: names of the other directories that it finds, by their paths.
    ports: on which it serves.
    probes: port and path of each that its engine would ask.
    labels: of its pod.
  """
  name: str
  host: str
  aliases: List[str]
  command: List[str]
  environment: Dict[str, str]
  config_path: str
  volumes: Dict[str, str]
  ports: Set[int]
  probes: Dict[str, Any]
  labels: Mapping[str, str]


def kustomization() -> _Mapping:
  return yaml.safe_load((KUBERNETES / 'kustomization.yaml').read_text())


def resources() -> List[_Mapping]:
  """All that `kubectl apply -k` would apply, but for the ConfigMap."""
  return [
      document for name in kustomization()['resources']
      for document in yaml.safe_load_all((KUBERNETES / name).read_text())]


def of_kind(*kinds: str) -> List[_Mapping]:
  return [each for each in resources() if each['kind'] in kinds]


def template(workload: _Mapping) -> _Mapping:
  """Of the pods of a workload."""
  return workload['spec']['template']


def count(workload: _Mapping) -> int:
  """Pods of a workload."""
  spec = workload['spec']
  return spec['completions'] if workload['kind'] == 'Job' else spec['replicas']


def pod_containers() -> Iterator[Container]:
  """Of all pods of `deploy/kubernetes`."""
  for workload in of_kind(*WORKLOADS):
    for index in range(count(workload)):
      pod = f'{workload["metadata"]["name"]}-{index}'
      labels = template(workload)['metadata']['labels']
      for spec in template(workload)['spec']['containers']:
        environment = {
            variable['name']: str(index) for variable in spec.get('env', [])
            if variable['valueFrom']['fieldRef']['fieldPath'] == (
                "metadata.labels['apps.kubernetes.io/pod-index']")}
        assert len(environment) == len(spec.get('env', []))
        command = [_expand(word, environment)
                   for word in (*spec['command'], *spec['args'])]
        if workload['kind'] == 'Job':
          assert workload['spec']['completionMode'] == 'Indexed'
          environment['JOB_COMPLETION_INDEX'] = str(index)
        paths = {mount['name']: mount['mountPath']
                 for mount in spec['volumeMounts']}
        ports = {port['name']: port['containerPort'] for port in spec['ports']}
        yield Container(
            name=f'{pod}.{spec["name"]}', host=pod,
            aliases=_aliases(pod, labels), command=command,
            environment=environment, config_path=paths.pop('run', ''),
            volumes={path: f'{pod}.{volume}'
                     for volume, path in paths.items()},
            ports=set(ports.values()),
            probes={name: (ports[spec[name]['httpGet']['port']],
                           spec[name]['httpGet']['path'])
                    for name in ('startupProbe', 'livenessProbe',
                                 'readinessProbe') if name in spec},
            labels=labels)


def compose() -> _Mapping:
  return yaml.safe_load((DEPLOY / 'compose.yaml').read_text())


def compose_containers() -> Iterator[Container]:
  """Of all services of `deploy/compose.yaml`."""
  for name, service in compose()['services'].items():
    configs = [each['target'] for each in service.get('configs', [])]
    volumes = [volume.split(':') for volume in service.get('volumes', [])]
    command = service['command'].split()
    ports = {int(flag(command, name)) for name in ('port', 'health_port')
             if any(word.startswith(f'--{name}=') for word in command)}
    yield Container(
        name=name, host=name, aliases=[name], command=command,
        environment=service.get('environment', {}),
        config_path=str(pathlib.Path(configs[0]).parent) if configs else '',
        volumes={path: volume for volume, path, *_ in volumes}, ports=ports,
        probes={}, labels={})


def flags(path: pathlib.Path) -> Dict[str, str]:
  """Of a flagfile."""
  lines = [line for line in path.read_text().splitlines()
           if line.startswith('--')]
  return dict(line[2:].split('=', 1) for line in lines)


def flag(command: Sequence[str], name: str) -> str:
  """The value of a flag of a command."""
  value, = [word.split('=', 1)[1] for word in command
            if word.startswith(f'--{name}=')]
  return value


def _aliases(pod: str, labels: Mapping[str, str]) -> List[str]:
  """Of the Services of a pod, and of it alone at those."""
  found = []
  for service in of_kind('Service'):
    if service['spec']['selector'].items() <= labels.items():
      name = service['metadata']['name']
      found += [name, f'{pod}.{name}']
  return found


def _expand(word: str, environment: Mapping[str, str]) -> str:
  for name, value in environment.items():
    word = word.replace(f'$({name})', value)
  assert '$(' not in word
  return word
