"""The configuration: its limits, its JSON, and what it refuses."""

import dataclasses
import json
import math

import hypothesis
from hypothesis import strategies as st
import pytest

from apex_tf import config as config_lib
from apex_tf import settings

_FLOATS = st.floats(allow_nan=False)


def _leaves():
  """Section, field name, default and metadata of every field."""
  return [(section.name, field.name, field.default, field.metadata)
          for section in dataclasses.fields(config_lib.Config)
          for field in dataclasses.fields(section.default_factory)]


_LEAVES = {f'{section}.{name}': (default, metadata['limits'])
           for section, name, default, metadata in _leaves()}


def _with(path, value):
  config = config_lib.Config()
  section, name = path.split('.')
  setattr(getattr(config, section), name, value)
  return config


def _refusal(path, value):
  """What `validate` says of one changed field; "" if nothing."""
  try:
    _with(path, value).validate()
  except ValueError as error:
    return str(error)
  return ''


def _just(value, direction):
  """The nearest value of the same type in a direction."""
  if isinstance(value, float):
    return math.nextafter(value, direction * math.inf)
  return value + direction


def _bounds(kind):
  """Path, bound and default of every field with such a limit."""
  return [(path, limits[kind], default)
          for path, (default, limits) in _LEAVES.items() if kind in limits]


def _typed(bound, default):
  """A bound as a value of its field: in a tuple, where the field is one."""
  if isinstance(default, tuple):
    return (default[0], type(default[0])(bound))
  return type(default)(bound)


def _shift(bound, default, direction):
  if isinstance(default, tuple):
    return (default[0], _just(type(default[0])(bound), direction))
  return _just(type(default)(bound), direction)


def test_the_sections_and_names_that_scripts_rely_on():
  for path in (
      'environment.id', 'environment.game', 'environment.num_frames_stacked',
      'environment.max_episode_steps', 'agent.n_step', 'agent.discount',
      'dqn.learning_rate', 'dqn.target_update_period', 'replay.capacity',
      'replay.min_size', 'replay.priority_exponent',
      'replay.importance_exponent', 'replay.minimum_priority',
      'replay.samples_per_insert', 'actor.num_actors',
      'actor.environments_per_actor', 'actor.sync_period',
      'learner.batch_size', 'evaluator.episodes', 'run.seed',
      'run.max_minutes', 'run.max_learner_steps', 'run.max_agent_steps',
      'run.target_return'):
    assert path in _LEAVES


def test_every_field_is_described():
  described = settings.describe(config_lib.Config())
  assert [path for path, _, _ in described] == list(_LEAVES)
  for path, default, doc in described:
    assert default == _LEAVES[path][0]
    assert len(doc) > 15, path


def test_every_number_has_a_limit():
  for path, (default, limits) in _LEAVES.items():
    if isinstance(default, (int, float)) and not isinstance(default, bool):
      assert limits, path


def test_the_defaults_are_valid():
  config_lib.Config().validate()


@pytest.mark.parametrize('path, bound, default', _bounds('minimum'))
def test_minimum(path, bound, default):
  outside = _shift(bound, default, -1)
  number = outside[-1] if isinstance(outside, tuple) else outside
  assert _refusal(path, outside) == (
      f'{path} is {number!r}, but must be at least {bound}')
  assert f'{path} is' not in _refusal(path, _typed(bound, default))


@pytest.mark.parametrize('path, bound, default', _bounds('maximum'))
def test_maximum(path, bound, default):
  outside = _shift(bound, default, +1)
  number = outside[-1] if isinstance(outside, tuple) else outside
  refused = f'but must be at most {bound}'
  assert _refusal(path, outside) == f'{path} is {number!r}, {refused}'
  # Other fields may allow less.
  assert not _refusal(path, _typed(bound, default)).endswith(refused)


@pytest.mark.parametrize('path, bound, default', _bounds('above'))
def test_above(path, bound, default):
  outside = _typed(bound, default)
  assert _refusal(path, outside) == (
      f'{path} is {outside!r}, but must be greater than {bound}')
  assert f'{path} is' not in _refusal(path, _shift(bound, default, +1))


@pytest.mark.parametrize('path, bound, default', _bounds('below'))
def test_below(path, bound, default):
  outside = _typed(bound, default)
  assert _refusal(path, outside) == (
      f'{path} is {outside!r}, but must be less than {bound}')
  assert f'{path} is' not in _refusal(path, _shift(bound, default, -1))


@hypothesis.settings(deadline=None)
@hypothesis.given(st.sampled_from(_bounds('choices')),
                  st.text('abcxyz019_- ', max_size=8))
def test_choices(bound, value):
  path, choices, _ = bound
  hypothesis.assume(value not in choices)
  refusal = _refusal(path, value)
  assert refusal.startswith(
      f'{path} is {value!r}, but must be one of {", ".join(choices)}')
  for choice in choices:  # Of a suite, the game may still be missing.
    assert f'{path} is' not in _refusal(path, choice)


@pytest.mark.parametrize('path', [
    path for path, (default, _) in _LEAVES.items() if type(default) is float])
def test_only_finite_numbers_unless_said_otherwise(path):
  assert _refusal(path, math.nan) == (
      f'{path} is nan, but must be a finite number')
  infinite = _LEAVES[path][1].get('infinite', False)
  assert (f'{path} is' in _refusal(path, math.inf)) == (not infinite)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    st.sampled_from(sorted(_LEAVES)),
    st.one_of(st.none(), st.booleans(), st.integers(), _FLOATS, st.text(),
              st.tuples(), st.tuples(_FLOATS), st.tuples(st.booleans()),
              st.lists(st.integers())))
def test_another_type_is_refused_by_name(path, value):
  default = _LEAVES[path][0]
  hypothesis.assume(type(value) is not type(default))
  kind = ('a tuple of at least one int' if isinstance(default, tuple) else
          f'of type {type(default).__name__}')
  if isinstance(default, float) and type(value) is int:
    kind += f', such as {value}.0'
  assert _refusal(path, value) == f'{path} is {value!r}, but must be {kind}'


@pytest.mark.parametrize('value', [(), (1.5,), (8, True), (8, '8'), ((8,),)])
def test_another_type_within_a_tuple(value):
  assert _refusal('dqn.hidden_sizes', value) == (
      f'dqn.hidden_sizes is {value!r}, but must be a tuple of at least one '
      'int')


@pytest.mark.parametrize('changes, said', [
    ({'replay.capacity': 100, 'replay.min_size': 101},
     'replay.min_size is 101, but must be at most replay.capacity, 100'),
    ({'replay.capacity': 100, 'replay.min_size': 10,
      'learner.batch_size': 101},
     'learner.batch_size is 101, but must be at most replay.capacity, 100'),
    # One insert more or less moves the error by samples_per_insert, and the
    # buffer is tolerance * min_size * samples_per_insert.
    ({'replay.min_size': 9, 'replay.samples_per_insert': 8.0,
      'replay.samples_per_insert_tolerance': 0.1},
     'replay.samples_per_insert_tolerance is 0.1, but must be large enough'),
    ({'replay.min_size': 39, 'replay.samples_per_insert': 0.25,
      'replay.samples_per_insert_tolerance': 0.1},
     'replay.samples_per_insert_tolerance is 0.1, but must be large enough'),
    ({'replay.shards': 4, 'actor.num_actors': 3},
     'replay.shards is 4, but must be at most actor.num_actors, 3: each'),
    ({'replay.shards': 3, 'learner.batch_size': 512},
     'replay.shards is 3, but must be a divisor of learner.batch_size, 512'),
    # Of each of two shards, 9 and the 10 of above.
    ({'replay.min_size': 18, 'replay.shards': 2,
      'replay.samples_per_insert': 8.0,
      'replay.samples_per_insert_tolerance': 0.1},
     'replay.samples_per_insert_tolerance is 0.1, but must be large enough'),
    ({'environment.suite': 'atari'},
     "environment.game is '', but must be a task of the suite atari"),
    ({'environment.suite': 'minatar'},
     "environment.game is '', but must be a task of the suite minatar"),
    ({'environment.id': ''},
     "environment.id is '', but must be a task of the suite gymnasium"),
])
def test_fields_that_do_not_go_together(changes, said):
  config = config_lib.Config()
  for path, value in changes.items():
    section, name = path.split('.')
    setattr(getattr(config, section), name, value)
  with pytest.raises(ValueError) as error:
    config.validate()
  assert str(error.value).startswith(said)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('changes', [
    {'replay.capacity': 100, 'replay.min_size': 100,
     'learner.batch_size': 100},
    {'replay.min_size': 10, 'replay.samples_per_insert': 8.0,
     'replay.samples_per_insert_tolerance': 0.1},
    {'replay.min_size': 40, 'replay.samples_per_insert': 0.25,
     'replay.samples_per_insert_tolerance': 0.1},
])
def test_fields_that_just_go_together(changes):
  config = config_lib.Config()
  for path, value in changes.items():
    section, name = path.split('.')
    setattr(getattr(config, section), name, value)
  config.validate()


def test_a_shard_is_its_part_of_replay():
  replay = config_lib.ReplayConfig(
      shards=3, capacity=100, min_size=10, eviction='prioritized')
  shard = replay.of_shard()
  assert (shard.shards, shard.capacity, shard.min_size) == (1, 34, 4)
  assert shard.eviction == 'prioritized'
  assert shard.of_shard() == shard
  learner = config_lib.LearnerConfig(batch_size=96, num_samplers=4)
  part = learner.of_shard(3)
  assert (part.batch_size, part.num_samplers) == (32, 2)
  assert learner.of_shard(1) == learner


def test_total_environments():
  config = config_lib.Config()
  config.actor.num_actors = 3
  config.actor.environments_per_actor = 5
  assert config.total_environments == 15


def _values(default):
  """Any value of a field's type, valid or not."""
  if isinstance(default, tuple):
    return st.lists(st.integers(), min_size=1, max_size=4).map(tuple)
  return {bool: st.booleans(), int: st.integers(), float: _FLOATS,
          str: st.text()}[type(default)]


@st.composite
def _configs(draw):
  config = config_lib.Config()
  for path in draw(st.sets(st.sampled_from(sorted(_LEAVES)), max_size=6)):
    section, name = path.split('.')
    setattr(getattr(config, section), name, draw(_values(_LEAVES[path][0])))
  return config


@hypothesis.settings(deadline=None)
@hypothesis.given(_configs())
def test_json_round_trip(config):
  def refuse(constant):
    raise AssertionError(f'{constant} is not strict JSON')

  text = config.to_json()
  data = json.loads(text, parse_constant=refuse)
  assert config_lib.Config.from_json(text) == config
  for path in _LEAVES:
    section, name = path.split('.')
    value = getattr(getattr(config, section), name)
    if isinstance(value, tuple):
      value = list(value)
    elif isinstance(value, float) and math.isinf(value):
      value = 'inf' if value > 0 else '-inf'
    assert data[section][name] == value


def test_json_may_leave_fields_out_and_write_whole_floats():
  config = config_lib.Config.from_json(
      '{"agent": {"discount": 1}, "dqn": {"hidden_sizes": [3, 4]}, "run": {}}')
  expected = config_lib.Config()
  expected.agent.discount = 1.0
  expected.dqn.hidden_sizes = (3, 4)
  assert config == expected
  assert isinstance(config.agent.discount, float)


def test_a_whole_number_in_a_preset_for_a_float():
  config = config_lib.Config()
  config.run.max_minutes = 1
  with pytest.raises(ValueError, match='^run.max_minutes is 1, but must be of '
                     'type float, such as 1.0$'):
    config.validate()


@pytest.mark.parametrize('text, said', [
    ('{"actor": {"num_actor": 3}}',
     'actor.num_actor is not a field of the configuration; did you mean '
     'actor.num_actors?'),
    ('{"agents": {}}', 'agents is not a field of the configuration'),
    ('{"agent": 3}', 'agent is 3, but must be a JSON object'),
    ('[]', 'config is [], but must be a JSON object'),
    ('{"learner": {"batch_size": 2.5}}',
     'learner.batch_size is 2.5, but must be of type int'),
    ('{"learner": {"batch_size": true}}',
     'learner.batch_size is True, but must be of type int'),
    ('{"learner": {"batch_size": null}}',
     'learner.batch_size is None, but must be of type int'),
    ('{"dqn": {"learning_rate": "fast"}}',
     "dqn.learning_rate is 'fast', but must be of type float"),
    ('{"dqn": {"learning_rate": "0.1"}}',
     "dqn.learning_rate is '0.1', but must be of type float"),
    ('{"dqn": {"learning_rate": false}}',
     'dqn.learning_rate is False, but must be of type float'),
    ('{"dqn": {"hidden_sizes": [1.5]}}',
     'dqn.hidden_sizes is (1.5,), but must be a tuple of at least one int'),
    ('{"dqn": {"hidden_sizes": 8}}',
     'dqn.hidden_sizes is 8, but must be a tuple of at least one int'),
    ('{"environment": {"full_action_set": 1}}',
     'environment.full_action_set is 1, but must be of type bool'),
    ('{"environment": {"id": 1}}',
     'environment.id is 1, but must be of type str'),
])
def test_json_that_is_refused(text, said):
  with pytest.raises(ValueError) as error:
    config_lib.Config.from_json(text)
  assert str(error.value).startswith(said)


def test_no_two_configurations_share_a_section():
  config_lib.Config().agent.n_step = 7
  assert config_lib.Config().agent.n_step == 3


@pytest.mark.parametrize('port, shards, highest', [
    (65535, 2, 65534), (65530, 8, 65528)])
def test_each_shard_has_a_port(port, shards, highest):
  config = config_lib.Config()
  config.actor.num_actors = config.replay.shards = shards
  config.learner.batch_size = 8 * shards
  for allowed in (0, highest):
    config.replay.port = allowed
    config.validate()
  config.replay.port = port
  with pytest.raises(ValueError, match=(
      f'replay.port is {port}, but must be at most {highest}: ')):
    config.validate()
