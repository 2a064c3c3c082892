"""What `deploy/kubernetes` asks for, as an engine would read it."""

import pathlib
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / 'deploy'
KUBERNETES = DEPLOY / 'kubernetes'
WORKLOADS = ('Deployment', 'Job', 'StatefulSet')

_Mapping = Dict[str, Any]


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


class Container(NamedTuple):
  """One container of one pod, as its node would start it.

  Attributes:
    pod: its name.
    labels: of the pod.
    spec: of the container.
    command: with its arguments, variables expanded.
    environment: that it is given.
  """
  pod: str
  labels: Mapping[str, str]
  spec: _Mapping
  command: List[str]
  environment: Dict[str, str]

  @property
  def name(self) -> str:
    return f'{self.pod}.{self.spec["name"]}'


def containers() -> Iterator[Container]:
  """Of all pods."""
  for workload in of_kind(*WORKLOADS):
    name, pods = workload['metadata']['name'], template(workload)
    for index in range(count(workload)):
      for spec in pods['spec']['containers']:
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
        yield Container(f'{name}-{index}', pods['metadata']['labels'], spec,
                        command, environment)


def names(pod: str, labels: Mapping[str, str]) -> List[str]:
  """By which a pod is found: of its Services, and of its own at those."""
  found = []
  for service in of_kind('Service'):
    selector = service['spec']['selector']
    if selector.items() <= labels.items():
      name = service['metadata']['name']
      found += [name, f'{pod}.{name}']
  return found


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


def _expand(word: str, environment: Mapping[str, str]) -> str:
  for name, value in environment.items():
    word = word.replace(f'$({name})', value)
  assert '$(' not in word
  return word
