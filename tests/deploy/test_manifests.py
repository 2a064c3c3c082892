"""The manifests: by Kubernetes' own schemas, and whether they fit together."""

import itertools
import re

import kubernetes_validate
import pytest

from apex_tf import config as config_lib
from configs import cartpole
from tests.deploy import manifests

# The oldest with all that the manifests use, and the newest known.
_VERSIONS = ('1.29', '1.37')


@pytest.mark.parametrize('version', _VERSIONS)
@pytest.mark.parametrize('resource', manifests.resources(), ids=lambda each: (
    f'{each["kind"]}-{each["metadata"]["name"]}'))
def test_the_schema(resource, version):
  kubernetes_validate.validate(resource, version, strict=True)


def test_the_schema_is_not_indifferent():
  resource = manifests.of_kind('StatefulSet')[0]
  resource['spec']['replica'] = resource['spec'].pop('replicas')
  with pytest.raises(kubernetes_validate.ValidationError, match='replica'):
    kubernetes_validate.validate(resource, _VERSIONS[0], strict=True)


def test_every_file_is_applied():
  assert {*manifests.kustomization()['resources'], 'kustomization.yaml',
          'run.flags'} == {path.name for path in (
              manifests.KUBERNETES.iterdir())}


@pytest.mark.parametrize('workload', manifests.of_kind(*manifests.WORKLOADS),
                         ids=lambda each: each['metadata']['name'])
def test_a_workload_fits_its_pods(workload):
  template = manifests.template(workload)
  labels = template['metadata']['labels']
  if workload['kind'] != 'Job':
    assert workload['spec']['selector']['matchLabels'] == labels
  volumes = {volume['name']: volume for volume in template['spec']['volumes']}
  claims = {claim['metadata']['name']
            for claim in workload['spec'].get('volumeClaimTemplates', [])}
  for volume in volumes.values():
    if 'configMap' in volume:
      assert volume['configMap']['name'] == 'run'
    if 'persistentVolumeClaim' in volume:
      assert volume['persistentVolumeClaim']['claimName'] in {
          claim['metadata']['name']
          for claim in manifests.of_kind('PersistentVolumeClaim')}
  assert template['spec']['securityContext']['runAsNonRoot']
  assert template['spec']['terminationGracePeriodSeconds'] >= 30
  for container in template['spec']['containers']:
    assert container['resources']['requests'].keys() >= {'cpu', 'memory'}
    ports = {port['name']: port['containerPort']
             for port in container['ports']}
    for probe in ('startupProbe', 'livenessProbe', 'readinessProbe'):
      if probe in container:
        assert container[probe]['httpGet']['port'] in ports
    mounts = {mount['mountPath'] for mount in container['volumeMounts']}
    assert {mount['name'] for mount in container['volumeMounts']} <= (
        volumes.keys() | claims)
    command = container['command'] + container['args']
    if container['name'] == manifests.TENSORBOARD:
      assert manifests.flag(command, 'logdir').startswith(tuple(mounts))
      assert ports['http'] == int(manifests.flag(command, 'port'))
      continue
    assert manifests.flag(command, 'workdir') in mounts
    assert manifests.flag(command, 'flagfile').rsplit('/', 1)[0] in mounts
    assert ports['health'] == int(manifests.flag(command, 'health_port'))
    assert 'livenessProbe' in container and 'readinessProbe' in container


def _pods():
  """Labels and ports of each pod, by the names it is found by."""
  found = {}
  for container in manifests.pod_containers():
    for name in container.aliases:
      _, ports = found.setdefault(name, (container.labels, set()))
      ports |= container.ports
  return found


def _allows(direction, side, mine, other, port):
  """Whether the policies of a pod of these labels allow it one direction."""

  def matches(selector, labels):
    expressions = selector.get('matchExpressions', [])
    assert all(each['operator'] == 'In' for each in expressions)
    return selector.get('matchLabels', {}).items() <= labels.items() and all(
        labels.get(each['key']) in each['values'] for each in expressions)

  policies = [
      policy['spec'] for policy in manifests.of_kind('NetworkPolicy')
      if direction in policy['spec']['policyTypes'] and
      matches(policy['spec']['podSelector'], mine)]
  assert policies  # Otherwise all is allowed.
  rules = itertools.chain.from_iterable(
      policy.get(direction.lower(), []) for policy in policies)
  return any(
      ('ports' not in rule or port in {each['port']
                                       for each in rule['ports']}) and
      (side not in rule or any(matches(each['podSelector'], other)
                               for each in rule[side])) for rule in rules)


def _admits(target, source, port):
  return _allows('Ingress', 'from', target, source, port)


def test_every_address_is_served_and_may_be_reached():
  pods, seen = _pods(), set()
  for container in manifests.pod_containers():
    for word in container.command:
      match = re.fullmatch(r'--(replay|learner|variables)=(.+)', word)
      for address in match[2].split(',') if match else ():
        name, port = address.split(':')
        labels, ports = pods[name]
        assert int(port) in ports, address
        assert _admits(labels, container.labels, int(port)) and _allows(
            'Egress', 'to', container.labels, labels, int(port)), (
                container.name, address)
        seen.add(name)
  assert seen == {'replay-0.replay', 'replay-1.replay', 'learner', 'variables'}


def test_nobody_else_may():
  deny, = [policy['spec'] for policy in manifests.of_kind('NetworkPolicy')
           if policy['metadata']['name'] == 'default-deny']
  assert deny == {'podSelector': {}, 'policyTypes': ['Ingress', 'Egress']}
  pods = _pods()
  for name, (labels, ports) in pods.items():
    for port in ports - {8080}:  # The nodes' probes come from anywhere.
      for apart in ({'app': 'other', 'role': 'actor'}, {'app': 'apex'}):
        assert not _admits(labels, apart, port), (name, apart)
  evaluator = {'app': 'apex', 'role': 'evaluator'}
  assert _admits(pods['learner'][0], evaluator, 5001)
  assert not _admits(pods['replay-0.replay'][0], evaluator, 5000)
  assert not _admits(pods['variables'][0], evaluator, 5002)


def test_the_job_may_count_failures_of_each_index():
  """What the schema does not say: it takes pods that are not restarted."""
  job, = manifests.of_kind('Job')
  assert job['spec']['backoffLimitPerIndex'] > 100
  assert job['spec']['completionMode'] == 'Indexed'
  assert manifests.template(job)['spec']['restartPolicy'] == 'Never'


def test_what_an_engine_starts_for_ever_stays():
  for container in manifests.pod_containers():
    if container.host.startswith(('learner', 'evaluator', 'variable-cache')):
      assert '--stay' in container.command or (
          container.command[0] == manifests.TENSORBOARD)


def test_there_are_as_many_pods_as_the_flags_say():
  flags = manifests.flags(manifests.KUBERNETES / 'run.flags')
  counts = {workload['metadata']['name']: manifests.count(workload)
            for workload in manifests.of_kind(*manifests.WORKLOADS)}
  assert counts['replay'] == int(flags['config.replay.shards'])
  assert counts['actors'] == int(flags['config.actor.num_actors'])
  assert counts['learner'] == counts['evaluator'] == 1
  learner, = [each for each in manifests.pod_containers()
              if each.name == 'learner-0.learner']
  assert manifests.flag(learner.command, 'replay').split(',') == [
      f'replay-{shard}.replay:5000' for shard in range(counts['replay'])]


@pytest.mark.parametrize('path', ['kubernetes', 'slurm', '.'])
def test_the_flags_are_of_a_configuration(path):
  flags = manifests.flags(manifests.DEPLOY / path / 'run.flags')
  assert flags.pop('config') == 'configs/cartpole.py'
  config: config_lib.Config = cartpole.get_config()
  for name, value in flags.items():
    if name.startswith('config.'):
      _, section, field = name.split('.')
      default = getattr(getattr(config, section), field)
      setattr(getattr(config, section), field, type(default)(value))
  config.validate()


def test_compose_fits_together():
  compose = manifests.compose()
  flags = manifests.flags(manifests.DEPLOY / 'run.flags')
  served, commands = set(), []
  for container in manifests.compose_containers():
    command = container.command
    assert set(container.volumes.values()) <= compose['volumes'].keys()
    served |= {f'{container.name}:{port}' for port in container.ports}
    if command[0] != manifests.TENSORBOARD:
      assert command[:2] == ['python', '-m']
      assert manifests.flag(command, 'flagfile') == (
          f'{container.config_path}/run.flags')
      commands.append(command)
  (config, source), = compose['configs'].items()
  assert (config, source) == ('run', {'file': 'run.flags'})
  kinds = [command[2].removeprefix('launch.') for command in commands]
  assert kinds.count('actor') == int(flags['config.actor.num_actors'])
  assert kinds.count('replay') == int(flags['config.replay.shards'])
  indices = [container.environment['JOB_COMPLETION_INDEX']
             for container in manifests.compose_containers()
             if 'launch.actor' in container.command]
  assert indices == [str(index) for index in range(kinds.count('actor'))]
  for command in commands:
    for word in command:
      match = re.fullmatch(r'--(replay|learner|variables)=(.+)', word)
      assert not match or set(match[2].split(',')) <= served
