"""The directory of a study.

    study.json           which study, of which configuration, values and seeds
    cells/<arm>/<seed>/  the run of each cell, see `run_directory`
    cells/<arm>/<seed>.log  what its command printed
    <study>.png, .md, .csv and <study>_curves.csv   what came out, see `results`

Values and seeds may be added to a study that is there. Nothing else of it may
change, or its cells would not compare; but games may be given higher limits.
"""

import contextlib
import dataclasses
import fcntl
import json
import math
import os
from typing import Iterator, List, NamedTuple, Sequence

from apex_tf import config as config_lib
from apex_tf import files
from apex_tf import settings
from apex_tf.experiments import grids
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib

STUDY_FILE = 'study.json'
_CELLS = 'cells'
# A run that ended so is not over.
_UNFINISHED = ('', status_lib.INTERRUPTED, status_lib.FAILED)
# What a game may have more of, where it is a cell that goes on.
_LIMITS = ('run.max_learner_steps', 'run.max_agent_steps', 'run.max_minutes')
# What ends a run besides learner steps, and its value where nothing does.
NO_OTHER_END = {'run.max_minutes': math.inf, 'run.max_agent_steps': 0,
                'run.target_return': math.inf}
# How many changes are named.
_SHOWN = 3


class Cell(NamedTuple):
  """One run of a study.

  Attributes:
    arm: of the study.
    seed: `run.seed`.
    config: of the run.
    directory: of the run.
  """
  arm: grids.Arm
  seed: int
  config: config_lib.Config
  directory: run_directory.RunDirectory

  @property
  def name(self) -> str:
    """For people: "8 actors, seed 1"."""
    return f'{self.arm.label}, seed {self.seed}'

  @property
  def log_file(self) -> str:
    """Where the output of its command goes."""
    return f'{self.directory.path}.log'

  def times_resumed(self) -> int:
    """How often its run went on, with an empty replay unless that has
    checkpoints."""
    logs = self.directory.logs_directory
    return sum(name.startswith('previous_') for name in os.listdir(logs)
              ) if os.path.isdir(logs) else 0

  def is_finished(self) -> bool:
    """Whether its run has ended by itself, with this configuration, and its
    last policy was evaluated.

    Raises:
      ValueError: what is there cannot be read; names the directory.
    """
    try:
      summary = self.directory.read_summary()
      status = self.directory.read_status()
      return (summary is not None and status is not None and
              summary['stop_reason'] not in _UNFINISHED and
              status_lib.final_evaluation(status)[0] and
              self.directory.read_config() == self.config)
    except (KeyError, OSError, TypeError, ValueError) as error:
      raise ValueError(f'the cell {self.directory.path} cannot be read: '
                       f'{error}') from error


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a study consists of.

  Attributes:
    study: which.
    config: from which all arms differ.
    values: of the arms, as text.
    num_seeds: of each arm: `run.seed` and those that follow.
  """
  study: grids.Study
  config: config_lib.Config
  values: Sequence[str]
  num_seeds: int

  def arms(self) -> List[grids.Arm]:
    """Of the values; raises ValueError as `grids.Study.arms`."""
    return self.study.arms(self.config, self.values)

  def cell_config(self, arm: grids.Arm, seed: int) -> config_lib.Config:
    """Of one cell. Where the rate is held, it ends at `run.max_learner_steps`
    and not before."""
    ends = NO_OTHER_END if self.study.holds_rate else {}
    return settings.replace(
        self.config, {**arm.overrides, **ends, 'run.seed': seed})


class StudyDirectory:
  """Names and files of one study."""

  def __init__(self, path: str):
    """Names a directory, whether it exists or not."""
    self.path = os.path.abspath(os.path.expanduser(path))

  @property
  def study_file(self) -> str:
    return os.path.join(self.path, STUDY_FILE)

  @property
  def holds_study(self) -> bool:
    """Whether a study has begun here."""
    return os.path.lexists(self.study_file)

  def result_file(self, plan: Plan, suffix: str) -> str:
    """Of a result, such as ".png"."""
    return os.path.join(self.path, f'{plan.study.name}{suffix}')

  def cells(self, plan: Plan) -> List[Cell]:
    """All of a plan, in the order in which they are to be run: every arm with
    the first seed, then with the second.

    Raises:
      ValueError: as `grids.Study.arms`.
    """
    first = plan.config.run.seed
    return [
        Cell(arm, seed, plan.cell_config(arm, seed),
             run_directory.RunDirectory(
                 os.path.join(self.path, _CELLS, arm.name, str(seed))))
        for seed in range(first, first + plan.num_seeds)
        for arm in plan.arms()]

  def read(self) -> Plan:
    """The plan of the study that is here.

    Raises:
      ValueError: there is none, or it cannot be read; names the file.
    """
    try:
      with open(self.study_file, encoding='utf-8') as file:
        data = json.load(file)
      return Plan(
          grids.STUDIES[data['study']],
          config_lib.Config.from_json(json.dumps(data['config'])),
          tuple(data['values']), data['seeds'])
    except (KeyError, OSError, TypeError, ValueError) as error:
      raise ValueError(f'{self.study_file} is not that of a study of this '
                       f'version: {error}') from error

  def check(self, plan: Plan) -> None:
    """Checks that a plan may begin, or go on, here; touches nothing.

    Raises:
      ValueError: names `workdir`, its value and what is allowed.
    """
    nearest = files.nearest_existing(self.path)
    if not os.path.isdir(nearest):
      raise self._error(f'a directory, and {nearest} is a file')
    if not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
      raise self._error(f'a directory that may be written, and {nearest} may '
                        'not')
    # A command that was killed at its very beginning leaves hidden files.
    if not self.holds_study and os.path.isdir(self.path) and any(
        not name.startswith('.') for name in os.listdir(self.path)):
      raise self._error('a directory that is new, empty or of a study; it has '
                        f'no {STUDY_FILE}')
    if self.holds_study:
      self._check_same(plan, self.read())

  def write(self, plan: Plan) -> None:
    """Makes it the plan of this directory, which is made where it is missing.

    Raises:
      OSError: it cannot be written.
    """
    os.makedirs(self.path, exist_ok=True)
    files.replace_file(self.study_file, json.dumps({
        'study': plan.study.name,
        'values': list(plan.values),
        'seeds': plan.num_seeds,
        'config': settings.to_mapping(plan.config),
    }, indent=1, allow_nan=False) + '\n')

  @contextlib.contextmanager
  def locked(self) -> Iterator[None]:
    """While it is, no other process runs cells here.

    Raises:
      ValueError: another process does.
    """
    os.makedirs(self.path, exist_ok=True)
    with open(os.path.join(self.path, '.lock'), 'a', encoding='utf-8') as lock:
      try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError as error:
        raise self._error('a study that no other process runs') from error
      yield

  def _check_same(self, plan: Plan, old: Plan) -> None:
    """Refuses another study, configuration, or fewer arms and seeds."""
    if plan.study.name != old.study.name:
      raise self._error(f'a directory of the study {plan.study.name}, or a new '
                        f'one; it holds the study {old.study.name}')
    changed = [
        f'{field} is {new!r}, but must be {before!r}' for field, new, before
        in settings.all_differences(plan.config, old.config)
        if plan.study.holds_rate or field not in _LIMITS or not (
            new > before > 0)]
    missing = [value for value in old.values if value not in plan.values]
    if missing:
      changed.append(f'values lacks {", ".join(missing)}')
    if plan.num_seeds < old.num_seeds:
      changed.append(
          f'seeds is {plan.num_seeds}, but must be at least {old.num_seeds}')
    if changed:
      raise ValueError(f'{"; ".join(changed[:_SHOWN])}, as in the study of '
                       f'--workdir={self.path}, or use a new directory')

  def _error(self, allowed: str) -> ValueError:
    return ValueError(f'workdir is {self.path!r}, but must be {allowed}')
