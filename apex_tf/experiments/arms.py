"""The arms of each study: which values are compared, and in which fields of
the configuration they are.

Each function `of_...` makes the arms of values that are given as text; it
raises ValueError, which names the value or field and what is allowed. The
others give the values where none are given.
"""

import math
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf import exploration
from apex_tf import formatting as fmt
from apex_tf import settings

_LADDER = 'ladder'
# A ladder of few epsilons, which the actors share.
SHARED, _NUM_SHARED = 'six', 6
FIFO = 'fifo'


class Arm(NamedTuple):
  """What is compared with the other arms of a study.

  Attributes:
    name: of its directory, such as "actors_8".
    label: for people, such as "8 actors".
    overrides: fields of the configuration by dotted path.
  """
  name: str
  label: str
  overrides: Dict[str, Any]

  def apply(self, config: config_lib.Config) -> config_lib.Config:
    """The configuration with the overrides."""
    return settings.replace(config, self.overrides)


def _error(value: str, allowed: str) -> ValueError:
  return ValueError(f'values has {value!r}, but must have {allowed}')


def _whole(values: Sequence[str], path: str = '', minimum: int = 1,
           maximum: int = 100_000) -> List[int]:
  """Whole numbers, within the limits of a field if that is given."""
  if path:
    limits = settings.limits(config_lib.Config(), path)
    minimum = max(minimum, limits['minimum'])
    maximum = limits.get('maximum', 10**9)
  for value in values:
    if not value.isdecimal() or not minimum <= int(value) <= maximum:
      raise _error(value, f'whole numbers from {minimum:,} to {maximum:,}')
  return [int(value) for value in values]


def _number(value: str, path: str, otherwise: str = '') -> float:
  """A number within the limits of a field."""
  limits = settings.limits(config_lib.Config(), path)
  minimum, maximum = limits['minimum'], limits['maximum']
  try:
    number = float(value)
  except ValueError:
    number = math.nan
  if not minimum <= number <= maximum:  # NaN too.
    raise _error(value, f'numbers from {minimum:g} to {maximum:g}{otherwise}')
  return number


def _actors(count: int) -> str:
  return f'{count} actor{"s" * (count != 1)}'


def _actor_fields(config: config_lib.Config, count: int,
                  ratio: float) -> Dict[str, Any]:
  """So many environments in the most processes that share them evenly, and are
  no more than configured."""
  processes = max(number for number in range(1, config.actor.num_actors + 1)
                  if count % number == 0)
  return {
      'actor.num_actors': processes,
      'actor.environments_per_actor': count // processes,
      'replay.samples_per_insert': ratio,
  }


def _ratio(config: config_lib.Config, count: int) -> float:
  """Samples per insert with which so many actors hold the learner's rate."""
  return (config.replay.samples_per_insert * config.total_environments / count)


def doubling(config: config_lib.Config) -> List[str]:
  """The configured number of actors, and its quarter, half, double, ..."""
  total = config.total_environments
  return [str(count) for count in dict.fromkeys(
      max(1, round(total * factor)) for factor in (0.25, 0.5, 1, 2, 4))]


def of_actors(config: config_lib.Config, values: Sequence[str]) -> List[Arm]:
  """So many environments, each at the same pace to the learner."""
  return [
      Arm(f'actors_{count}', _actors(count),
          _actor_fields(config, count, _ratio(config, count)))
      for count in _whole(values)]


def _inserts(config: config_lib.Config) -> int:
  """How many transitions a cell inserts until it ends, about."""
  return config.replay.min_size + round(
      config.run.max_learner_steps * config.learner.batch_size /
      config.replay.samples_per_insert)


def parts_of_capacity(config: config_lib.Config) -> List[str]:
  """Of the configured capacity, or of all inserts where they do not fill it;
  what holds less than learning needs to begin is left out."""
  capacity = min(config.replay.capacity, _inserts(config))
  smallest = max(config.replay.min_size, config.learner.batch_size)
  return [str(capacity // part) for part in (8, 4, 2, 1)
          if capacity // part >= smallest]


def of_capacity(config: config_lib.Config, values: Sequence[str]) -> List[Arm]:
  """So many transitions in replay."""
  smallest = max(config.replay.min_size, config.learner.batch_size)
  never_full = [value for value in values
                if value.isdecimal() and int(value) >= _inserts(config)]
  if len(never_full) > 1:
    raise _error(','.join(never_full), 'at most one capacity of '
                 f'{_inserts(config):,} or more: what a cell inserts in '
                 f'run.max_learner_steps {config.run.max_learner_steps}')
  return [
      Arm(f'capacity_{size}', f'{fmt.count(size)} transitions',
          {'replay.capacity': size})
      for size in _whole(values, 'replay.capacity', smallest)]


def of_recency(config: config_lib.Config, values: Sequence[str]) -> List[Arm]:
  """All actors; and for each k, a k-th of them, without copies and with."""
  total = config.total_environments
  arms = [Arm(f'actors_{total}', _actors(total), {})]
  for copies in _whole(values, 'replay.insert_copies', 2):
    if total % copies:
      raise _error(str(copies), f'divisors of the number of actors, {total}')
    count = total // copies
    ratio = config.replay.samples_per_insert
    arms += [
        Arm(f'actors_{count}', _actors(count),
            _actor_fields(config, count, _ratio(config, count))),
        Arm(f'actors_{count}_times_{copies}',
            f'{_actors(count)}, each transition {copies} times',
            {**_actor_fields(config, count, ratio),
             'replay.insert_copies': copies}),
    ]
  return arms


def six_epsilons(config: config_lib.Config) -> List[str]:
  """The ladder of six, first shared by all actors, then each of it alone."""
  alone = exploration.epsilon_ladder(
      _NUM_SHARED, config.dqn.epsilon_base, config.dqn.epsilon_alpha)
  shared = [SHARED] if config.total_environments > _NUM_SHARED else []
  return shared + list(dict.fromkeys(f'{epsilon:.2g}' for epsilon in alone))


def of_epsilons(config: config_lib.Config, values: Sequence[str]) -> List[Arm]:
  """The ladder, besides six of it that are shared, or one for all."""
  arms = [Arm(_LADDER, 'the ladder', {})]
  for value in values:
    if value == SHARED:
      if config.total_environments <= _NUM_SHARED:
        raise ValueError(
            f'values has {SHARED!r}, but must have it with more than '
            f'{_NUM_SHARED} environments only: here there are '
            f'{config.total_environments}')
      arms.append(Arm(SHARED, f'{SHARED} values, shared by the actors',
                      {'dqn.num_epsilons': _NUM_SHARED}))
      continue
    epsilon = _number(value, 'dqn.epsilon_base', f', or {SHARED}')
    arms.append(Arm(f'epsilon_{epsilon}', f'ε {epsilon} for all',
                    {'dqn.epsilon_base': epsilon, 'dqn.epsilon_alpha': 0.0}))
  return arms


PRIORITIES: Dict[str, Tuple[str, Dict[str, Any]]] = {
    'td_error': ("the actors' |TD|", {'replay.insert_priority': 'td_error'}),
    'maximum': ("the actor's maximum, after PER",
                {'replay.insert_priority': 'maximum'}),
    'uniform': ('none: uniform sampling', {'replay.priority_exponent': 0.0}),
}


def of_priorities(config: config_lib.Config,
                  values: Sequence[str]) -> List[Arm]:
  """With which priority transitions come in."""
  del config
  for value in values:
    if value not in PRIORITIES:
      raise _error(value, f'some of {", ".join(PRIORITIES)}')
  return [Arm(value, *PRIORITIES[value]) for value in values]


def of_n_step(config: config_lib.Config, values: Sequence[str]) -> List[Arm]:
  """n-step returns."""
  del config
  return [Arm(f'n_{n}', f'n = {n}', {'agent.n_step': n})
          for n in _whole(values, 'agent.n_step')]


def of_eviction(config: config_lib.Config, values: Sequence[str]) -> List[Arm]:
  """Which transitions leave a full replay."""
  if config.replay.capacity >= _inserts(config):
    raise ValueError(
        f'replay.capacity is {config.replay.capacity}, but must be less than '
        f'{_inserts(config)} in the study eviction: what a cell inserts in '
        f'run.max_learner_steps {config.run.max_learner_steps}')
  arms = []
  for value in values:
    if value == FIFO:
      arms.append(Arm(FIFO, 'first in, first out',
                      {'replay.eviction': 'fifo'}))
      continue
    exponent = _number(value, 'replay.eviction_exponent', f', or {FIFO}')
    arms.append(Arm(f'exponent_{exponent}', f'by priority^{exponent}',
                    {'replay.eviction': 'prioritized',
                     'replay.eviction_exponent': exponent}))
  return arms


def known_games(config: config_lib.Config) -> Sequence[str]:
  """Those of the suite, in snake_case; none where it has no games."""
  return environments.games(config.environment)


def of_games(config: config_lib.Config, values: Sequence[str]) -> List[Arm]:
  """A game each."""
  known = known_games(config)
  if not known:
    raise ValueError(f'environment.suite is {config.environment.suite!r}, but '
                     'must be atari or minatar in the study games')
  for value in values:
    if value not in known:
      raise _error(value, f'some of {", ".join(known)}')
  if not (config.run.max_agent_steps or config.run.max_learner_steps or
          math.isfinite(config.run.max_minutes)):
    raise ValueError(
        'run.max_agent_steps is 0, but must be at least 1 in the study games, '
        'or run.max_learner_steps or run.max_minutes be given')
  return [Arm(game, fmt.game_name(game),
              {'environment.game': game}) for game in values]
