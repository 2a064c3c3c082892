"""Draws configurations, good and bad, from the config tree's own metadata.

A field is drawn by its type and its limits alone, so that a new one is covered
as it is; only tasks, which are strings without limits, are listed here.
"""

import dataclasses
import math
from typing import Any, Dict, List, Tuple

from hypothesis import strategies as st

from apex_tf import config as config_lib
from apex_tf import settings

Overrides = Dict[str, Any]

# Where a draw starts from: a run of moments that is allowed.
BASE: Overrides = {
    'dqn.hidden_sizes': (16,),
    'dqn.dueling_hidden_size': 16,
    'dpg.policy_hidden_sizes': (16,),
    'dpg.critic_hidden_sizes': (16,),
    'replay.capacity': 1000,
    'replay.min_size': 50,
    'learner.batch_size': 8,
    'actor.num_actors': 1,
    'actor.environments_per_actor': 2,
    'evaluator.episodes': 1,
    'evaluator.num_environments': 1,
    'evaluator.max_seconds': 1.0,
}

# Tasks that are light, one of each kind of space, and some that cannot be.
_IDS = (
    'CartPole-v1', 'Acrobot-v1', 'MountainCar-v0', 'Pendulum-v1',
    'MountainCarContinuous-v0', 'Blackjack-v1', 'FrozenLake-v1', 'Taxi-v4',
    'InvertedPendulum-v5', 'CartPole-v99', 'cartpole', 'NoSuch-v0',
    'no_such_module:Task-v0', 'MinAtar/Breakout-v1', 'phys2d/CartPole-v1', '',
    'cartpole:balance', 'pendulum:swingup', 'no:such', 'cart\npole')
_GAMES = ('pong', 'breakout', 'space_invaders', 'Pong', 'no_such', '')
_TASKS = {
    ('gymnasium', 'dqn'): {'environment.id': 'CartPole-v1'},
    ('gymnasium', 'dpg'): {'environment.id': 'Pendulum-v1'},
    ('minatar', 'dqn'): {'environment.game': 'breakout',
                         'dqn.network': 'minatar'},
    ('control', 'dpg'): {'environment.id': 'pendulum:swingup'},
    ('atari', 'dqn'): {'environment.game': 'pong', 'dqn.network': 'nature',
                       'environment.num_frames_stacked': 4},
}

_BIG_INTS = (2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30)
_BIG_FLOATS = (1e6, 1e30, 1e38, 1e39, 1e300, 1.7976931348623157e308)
_SMALL_FLOATS = (5e-324, 1e-300, 1e-46, 1e-38, 1e-6, 0.01)
_WRONG_TYPES: Tuple[Any, ...] = ('2', None, True, 2, 2.0, (2,), (), [2])


def is_of_type(value: Any, default: Any) -> bool:
  """Whether a value is of a field's type, as its default tells it."""
  if isinstance(default, tuple):
    return isinstance(value, tuple) and bool(value) and all(
        type(element) is type(default[0]) for element in value)
  return type(value) is type(default)


def _numbers(default: Any, limits: Dict[str, Any]) -> List[Any]:
  """At, next to and far from each limit, inside and outside of it."""
  if isinstance(default, int):
    edges = [limits[name] for name in ('minimum', 'maximum') if name in limits]
    near = [edge + step for edge in edges for step in (-1, 0, 1)]
    return [*near, 2, 3, 5, 17, 100, -1, *_BIG_INTS]
  edges = [limits[name] for name in ('minimum', 'maximum', 'above', 'below')
           if name in limits]
  near = [number for edge in edges for number in (
      edge, math.nextafter(edge, math.inf), math.nextafter(edge, -math.inf))]
  return [*near, 0.5, 1.0, 2.5, -1.0, *_SMALL_FLOATS, *_BIG_FLOATS,
          math.nan, math.inf, -math.inf]


def _is_allowed(path: str, value: Any, limits: Dict[str, Any]) -> bool:
  """By its own limits; relations between fields are another matter."""
  field = settings.setting(value, '', **limits)
  one = dataclasses.make_dataclass(
      'One', [(path.replace('.', '_'), Any, field)])
  try:
    settings.check(one())
  except ValueError:
    return False
  return True


def _values(path: str, field: 'dataclasses.Field[Any]'
           ) -> Tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]:
  """What a field may be by its limits, and what it may not be."""
  default, limits = field.default, field.metadata['limits']
  if isinstance(default, bool):
    good, bad = [True, False], []
  elif path == 'environment.id':
    good, bad = list(_IDS), []
  elif path == 'environment.game':
    good, bad = list(_GAMES), []
  elif isinstance(default, str):
    good, bad = list(limits['choices']), ['no such', '']
    if limits.get('or_function'):
      good.append('no_such_module:make')
  else:
    one = default[0] if isinstance(default, tuple) else default
    numbers = _numbers(one, limits)
    good = [number for number in numbers if _is_allowed(path, number, limits)]
    bad = [number for number in numbers if number not in good]
  wrong = [value for value in _WRONG_TYPES if not is_of_type(value, default)]
  if isinstance(default, tuple):
    elements = st.lists(st.sampled_from(good), min_size=1, max_size=3)
    return elements.map(tuple), st.one_of(
        st.sampled_from(bad).map(lambda number: (number,)),
        st.sampled_from(wrong))
  return st.sampled_from(good), st.sampled_from(bad + wrong)


@st.composite
def overrides(draw: st.DrawFn) -> Overrides:
  """A base that is allowed, and some fields that are drawn."""
  (suite, agent), task = draw(st.sampled_from(sorted(_TASKS.items())))
  result = {**BASE, **task, 'environment.suite': suite, 'agent.name': agent}
  fields = {path: field for path, _, field in
            settings.leaves(config_lib.Config())}
  paths = draw(st.lists(st.sampled_from(sorted(fields)), min_size=2,
                        max_size=10, unique=True))
  # One value that cannot be is enough: the others would not be looked at.
  wrong = draw(st.sampled_from((None, None, None, paths[0])))
  for path in paths:
    good, bad = _values(path, fields[path])
    result[path] = draw(bad if path == wrong else good)
  return result


def make_config(values: Overrides) -> config_lib.Config:
  """The configuration with these fields; they are not checked."""
  config = config_lib.Config()
  for path, value in values.items():
    section, name = path.split('.')
    setattr(getattr(config, section), name, value)
  return config


def as_flags(values: Overrides) -> str:
  """A command that does the same, where a command line can say it."""
  flags = ' '.join(
      f"--config.{path}='{','.join(map(str, value))}'"
      if isinstance(value, tuple) else f"--config.{path}='{value}'"
      for path, value in values.items())
  return ('python -m launch.train --config=configs/cartpole.py --serial '
          f'--workdir=runs/fuzz --resume=never {flags}')
