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
from typing import Callable, List, Sequence, Tuple

from apex_tf import config as config_lib
from apex_tf.experiments import arms as arms_lib

GAMES = 'games'


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
  make_arms: Callable[[config_lib.Config, Sequence[str]], List[arms_lib.Arm]]
  agents: Tuple[str, ...] = ('dqn', 'dpg')
  holds_rate: bool = True
  fields_of_values: Tuple[str, ...] = ()

  def check(self, config: config_lib.Config) -> None:
    """Checks that arms can be made of a configuration.

    Raises:
      ValueError: names the field, its value and what is allowed.
    """
    config.validate()
    if config.agent.name not in self.agents:
      raise ValueError(f'agent.name is {config.agent.name!r}, but must be '
                       f'{" or ".join(self.agents)} in the study {self.name}')
    if self.holds_rate:
      _check_rate(config)

  def arms(self, config: config_lib.Config,
           values: Sequence[str]) -> List[arms_lib.Arm]:
    """Those of some values.

    Args:
      config: from which all arms differ.
      values: as text, in the order of the arms.

    Raises:
      ValueError: names the field or value and what is allowed.
    """
    self.check(config)
    arms = self.make_arms(config, values)
    if not arms:
      raise ValueError(f"values is '', but must have {self.values}")
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
        "study, whose arms are compared at one pace of the learner")
  if not config.run.max_learner_steps:
    raise ValueError(
        'run.max_learner_steps is 0, but must be at least 1 in a study, whose '
        'arms are compared after equally many learner steps')


STUDIES = {study.name: study for study in (
    Study('actors', 'actors', 'figure 4: 8 to 256 actors',
          'numbers of actors (environments)', arms_lib.doubling,
          arms_lib.of_actors),
    Study('capacity', 'replay capacity',
          'figure 5: 250,000 to 2,000,000 transitions',
          'numbers of transitions', arms_lib.parts_of_capacity,
          arms_lib.of_capacity),
    Study('recency', 'actors and copies',
          'appendix A: 32 actors, each transition added 8 times',
          'how often the transitions of fewer actors are inserted',
          lambda config: ['8'], arms_lib.of_recency,
          fields_of_values=('replay.insert_copies',)),
    Study('epsilons', 'epsilons of the actors',
          'appendix B: six fixed values against the ladder',
          f'values of epsilon or {arms_lib.SHARED}, besides the ladder',
          arms_lib.six_epsilons, arms_lib.of_epsilons, agents=('dqn',),
          fields_of_values=('dqn.num_epsilons',)),
    Study('prioritization', 'prioritization',
          'against uniform sampling, in an appendix; not against PER',
          ', '.join(arms_lib.PRIORITIES),
          lambda config: list(arms_lib.PRIORITIES), arms_lib.of_priorities),
    Study('n_step', 'n of the n-step return', 'none; its n is 3',
          'numbers of steps', lambda config: ['1', '2', '3', '5', '10'],
          arms_lib.of_n_step, fields_of_values=('agent.n_step',)),
    Study('eviction', 'eviction from replay',
          'DPG evicts by priority^-0.4, where DQN is first in, first out',
          f'{arms_lib.FIFO}, or exponents',
          lambda config: [arms_lib.FIFO, '-0.4', '-0.8'],
          arms_lib.of_eviction, agents=('dpg',), fields_of_values=(
              'replay.eviction', 'replay.eviction_exponent')),
    Study(GAMES, 'game', 'the scores of 57 games, in its appendix',
          'games in snake_case', arms_lib.known_games, arms_lib.of_games,
          agents=('dqn',), holds_rate=False,
          fields_of_values=('environment.game',)),
)}
