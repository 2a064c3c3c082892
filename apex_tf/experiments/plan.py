"""The plan of a study: what is to be run."""

import dataclasses
import math
from typing import Any, Dict, List, Sequence

from apex_tf import config as config_lib
from apex_tf import settings
from apex_tf import validation
from apex_tf.experiments import arms as arms_lib
from apex_tf.experiments import studies
from apex_tf.replay import footprint

# What ends a run besides learner steps, and its value where nothing does.
_NO_OTHER_END: Dict[str, Any] = {
    'run.max_minutes': math.inf, 'run.max_agent_steps': 0,
    'run.target_return': math.inf}


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a study consists of.

  Attributes:
    study: which.
    config: from which all arms differ.
    values: of the arms, as text.
    num_seeds: of each arm: `run.seed` and those that follow.
  """
  study: studies.Study
  config: config_lib.Config
  values: Sequence[str]
  num_seeds: int

  def arms(self) -> List[arms_lib.Arm]:
    """Of the values; raises ValueError as `studies.Study.arms`."""
    return self.study.arms(self.config, self.values)

  def common_config(self) -> config_lib.Config:
    """From which the cells differ by arm and seed. Where the rate is held, they
    end at `run.max_learner_steps` and not before."""
    return settings.replace(
        self.config, _NO_OTHER_END if self.study.holds_rate else {})

  def cell_config(self, arm: arms_lib.Arm, seed: int) -> config_lib.Config:
    """Of one cell."""
    return settings.replace(
        self.common_config(), {**arm.overrides, 'run.seed': seed})

  def check(self, preset: config_lib.Config) -> None:
    """Checks that every arm can run, and that nothing is asked for in vain.

    Args:
      preset: what it gives without any override.

    Raises:
      ValueError: names the field, its value and what is allowed; and the arm.
    """
    replaced = {field for field, _, _ in settings.all_differences(
        self.config, self.common_config())}
    for field, value, _ in settings.all_differences(self.config, preset):
      if field in self.study.fields_of_values:
        raise ValueError(
            f'{field} is {value!r}, but must not be given in the study '
            f'{self.study.name}, where --values says it of each arm')
      if field in replaced:
        raise ValueError(
            f'{field} is {value!r}, but must not be given in the study '
            f'{self.study.name}, whose cells end at run.max_learner_steps')
    for arm in self.arms():
      config = self.cell_config(arm, self.config.run.seed)
      try:
        footprint.check(config, validation.validate(config))
      except ValueError as error:
        raise ValueError(f'{error} (in the arm {arm.label!r})') from error
