"""The studies: what each asks, and which arms it compares.

To compare arms at equal updates, a study holds the learner's rate: each
transition is sampled `replay.samples_per_insert` times, and every cell ends
after `run.max_learner_steps`. Where an arm has another number of actors, the
ratio changes in inverse proportion, so that one actor makes as many steps for
each learner step in every arm, as in the paper, whose actors and learner have
each their own pace. One *actor* of the paper is one environment here: a rung of
the epsilon ladder; how many of them share a process does not matter.
"""

import dataclasses
import math
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from apex_tf import config as config_lib
from apex_tf import environments
from apex_tf import exploration
from apex_tf import formatting as fmt
from apex_tf import settings

GAMES = 'games'
_LADDER = 'ladder'
# A ladder of few epsilons, which the actors share.
_SHARED, _NUM_SHARED = 'six', 6
_FIFO = 'fifo'


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


@dataclasses.dataclass(frozen=True)
class Study:
  """One question, and the arms that answer it.

  Attributes:
    name: of the flag `--study`.
    title: what is varied, for pictures and tables.
    source: where the paper has it.
    values: what `--values` may list, for people.
    defaults: those of a configuration, where none are given.
    make_arms: the arms of a configuration and of values.
    agents: for which it is.
    holds_rate: whether the arms are compared at equal updates.
    fields_of_values: which values give anew in every arm, whatever they are in
      the configuration.
  """
  name: str
  title: str
  source: str
  values: str
  defaults: Callable[[config_lib.Config], Sequence[str]]
  make_arms: Callable[[config_lib.Config, Sequence[str]], List[Arm]]
  agents: Tuple[str, ...] = ('dqn', 'dpg')
  holds_rate: bool = True
  fields_of_values: Tuple[str, ...] = ()

  def arms(self, config: config_lib.Config,
           values: Sequence[str]) -> List[Arm]:
    """Those of some values.

    Args:
      config: from which all arms differ.
      values: as text, in the order of the arms.

    Raises:
      ValueError: names the field or value and what is allowed.
    """
    if config.agent.name not in self.agents:
      raise ValueError(f'agent.name is {config.agent.name!r}, but must be '
                       f'{" or ".join(self.agents)} in the study {self.name}')
    if self.holds_rate:
      _check_rate(config)
    arms = self.make_arms(config, values)
    configs: List[config_lib.Config] = []
    for arm in arms:
      configs.append(arm.apply(config))
      same = arms[configs.index(configs[-1])]
      if same is not arm:
        raise ValueError(
            f'values has {",".join(values)!r}, but must have values that '
            f'differ: the arms {same.label!r} and {arm.label!r} are of one '
            'configuration')
    return arms


def _check_rate(config: config_lib.Config) -> None:
  """Refuses what would let the learner run at another rate in each arm."""
  if not config.replay.samples_per_insert:
    raise ValueError(
        'replay.samples_per_insert is 0.0, but must be greater than 0 in a '
        "study, whose arms are compared at one rate of the learner")
  if not config.run.max_learner_steps:
    raise ValueError(
        'run.max_learner_steps is 0, but must be at least 1 in a study, whose '
        'arms are compared after equally many learner steps')


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


def _actor_arms(config: config_lib.Config,
                values: Sequence[str]) -> List[Arm]:
  return [
      Arm(f'actors_{count}', _actors(count),
          _actor_fields(config, count, _ratio(config, count)))
      for count in _whole(values)]


def _inserts(config: config_lib.Config) -> int:
  """How many transitions a cell inserts until it ends, about."""
  return config.replay.min_size + round(
      config.run.max_learner_steps * config.learner.batch_size /
      config.replay.samples_per_insert)


def _capacity_arms(config: config_lib.Config,
                   values: Sequence[str]) -> List[Arm]:
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


def _recency_arms(config: config_lib.Config,
                  values: Sequence[str]) -> List[Arm]:
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


def _epsilons(config: config_lib.Config) -> List[str]:
  """The ladder of six, first shared by all actors, then each of it alone."""
  alone = exploration.epsilon_ladder(
      _NUM_SHARED, config.dqn.epsilon_base, config.dqn.epsilon_alpha)
  shared = [_SHARED] if config.total_environments > _NUM_SHARED else []
  return shared + list(dict.fromkeys(f'{epsilon:.2g}' for epsilon in alone))


def _epsilon_arms(config: config_lib.Config,
                  values: Sequence[str]) -> List[Arm]:
  arms = [Arm(_LADDER, 'the ladder', {})]
  for value in values:
    if value == _SHARED:
      if config.total_environments <= _NUM_SHARED:
        raise ValueError(
            f'values has {_SHARED!r}, but must have it with more than '
            f'{_NUM_SHARED} environments only: here there are '
            f'{config.total_environments}')
      arms.append(Arm(_SHARED, f'{_SHARED} values, shared by the actors',
                      {'dqn.num_epsilons': _NUM_SHARED}))
      continue
    epsilon = _number(value, 'dqn.epsilon_base', f', or {_SHARED}')
    arms.append(Arm(f'epsilon_{epsilon}', f'ε {epsilon} for all',
                    {'dqn.epsilon_base': epsilon, 'dqn.epsilon_alpha': 0.0}))
  return arms


_PRIORITIES: Dict[str, Tuple[str, Dict[str, Any]]] = {
    'td_error': ("the actors' |TD|", {'replay.insert_priority': 'td_error'}),
    'maximum': ("the actor's maximum, after PER",
                {'replay.insert_priority': 'maximum'}),
    'uniform': ('none: uniform sampling', {'replay.priority_exponent': 0.0}),
}


def _priority_arms(config: config_lib.Config,
                   values: Sequence[str]) -> List[Arm]:
  del config
  for value in values:
    if value not in _PRIORITIES:
      raise _error(value, f'some of {", ".join(_PRIORITIES)}')
  return [Arm(value, *_PRIORITIES[value]) for value in values]


def _n_step_arms(config: config_lib.Config,
                 values: Sequence[str]) -> List[Arm]:
  del config
  return [Arm(f'n_{n}', f'n = {n}', {'agent.n_step': n})
          for n in _whole(values, 'agent.n_step')]


def _eviction_arms(config: config_lib.Config,
                   values: Sequence[str]) -> List[Arm]:
  if config.replay.capacity >= _inserts(config):
    raise ValueError(
        f'replay.capacity is {config.replay.capacity}, but must be less than '
        f'{_inserts(config)} in the study eviction: what a cell inserts in '
        f'run.max_learner_steps {config.run.max_learner_steps}')
  arms = []
  for value in values:
    if value == _FIFO:
      arms.append(Arm(_FIFO, 'first in, first out',
                      {'replay.eviction': 'fifo'}))
      continue
    exponent = _number(value, 'replay.eviction_exponent', f', or {_FIFO}')
    arms.append(Arm(f'exponent_{exponent}', f'by priority^{exponent}',
                    {'replay.eviction': 'prioritized',
                     'replay.eviction_exponent': exponent}))
  return arms


def _games(config: config_lib.Config) -> Sequence[str]:
  return environments.games(config.environment)


def _game_arms(config: config_lib.Config,
               values: Sequence[str]) -> List[Arm]:
  known = _games(config)
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


def _doubling(config: config_lib.Config) -> List[str]:
  """The configured number of actors, and its quarter, half, double, ..."""
  total = config.total_environments
  return [str(count) for count in dict.fromkeys(
      max(1, round(total * factor)) for factor in (0.25, 0.5, 1, 2, 4))]


def _parts_of_capacity(config: config_lib.Config) -> List[str]:
  """Of the configured capacity, or of all inserts where they do not fill it;
  what holds less than learning needs to begin is left out."""
  capacity = min(config.replay.capacity, _inserts(config))
  smallest = max(config.replay.min_size, config.learner.batch_size)
  return [str(capacity // part) for part in (8, 4, 2, 1)
          if capacity // part >= smallest]


STUDIES = {study.name: study for study in (
    Study('actors', 'actors', 'figure 4: 8 to 256 actors',
          'numbers of actors (environments)', _doubling, _actor_arms),
    Study('capacity', 'replay capacity',
          'figure 5: 250,000 to 2,000,000 transitions',
          'numbers of transitions', _parts_of_capacity, _capacity_arms),
    Study('recency', 'actors and copies',
          'appendix A: 32 actors, each transition added 8 times',
          'how often the transitions of fewer actors are inserted',
          lambda config: ['8'], _recency_arms),
    Study('epsilons', 'epsilons of the actors',
          'appendix B: six fixed values against the ladder',
          f'values of epsilon or {_SHARED}, besides the ladder', _epsilons,
          _epsilon_arms, agents=('dqn',),
          fields_of_values=('dqn.num_epsilons',)),
    Study('prioritization', 'prioritization',
          'against uniform sampling, in an appendix; not against PER',
          ', '.join(_PRIORITIES), lambda config: list(_PRIORITIES),
          _priority_arms),
    Study('n_step', 'n of the n-step return', 'none; its n is 3',
          'numbers of steps', lambda config: ['1', '2', '3', '5', '10'],
          _n_step_arms, fields_of_values=('agent.n_step',)),
    Study('eviction', 'eviction from replay',
          'DPG evicts by priority^-0.4, where DQN is first in, first out',
          f'{_FIFO}, or exponents', lambda config: [_FIFO, '-0.4', '-0.8'],
          _eviction_arms, agents=('dpg',), fields_of_values=(
              'replay.eviction', 'replay.eviction_exponent')),
    Study(GAMES, 'game', 'the scores of 57 games, in its appendix',
          'games in snake_case', _games, _game_arms, agents=('dqn',),
          holds_rate=False, fields_of_values=('environment.game',)),
)}
