"""The directory of a study.

    study.json           which study, of which configuration, values and seeds
    cells/<arm>/<seed>/  the run of each cell, see `run_directory`
    cells/<arm>/<seed>.log  what its command printed
    <study>.png, .md, .csv and <study>_curves.csv   what came out, see `results`

Values and seeds may be added to a study that is there. Nothing else of it may
change, or its cells would not compare; but games may be given higher limits.
"""

import contextlib
import fcntl
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from apex_tf import config as config_lib
from apex_tf import files
from apex_tf import settings
from apex_tf.experiments import arms as arms_lib
from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import studies
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib

STUDY_FILE = 'study.json'
_CELLS = 'cells'
# A run that ended so is not over.
_UNFINISHED = ('', status_lib.INTERRUPTED, status_lib.FAILED)
# Of a summary, what results are made of; `final_evaluation_complete` is False
# where the time of an evaluation ended before all its episodes had.
FROM_SUMMARY = (
    'final_return_mean', 'final_return_std', 'best_return_mean',
    'evaluation_episodes', 'final_evaluation_complete', 'evaluated_version',
    'learner_steps', 'agent_steps', 'environment_frames', 'wall_seconds',
    'learner_steps_per_second', 'samples_per_second', 'agent_steps_per_second',
    'stop_reason')
# What a game may have more of, where it is a cell that goes on.
_LIMITS = ('run.max_learner_steps', 'run.max_agent_steps', 'run.max_minutes')
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
  arm: arms_lib.Arm
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

  def read_summary(self) -> Optional[Dict[str, Any]]:
    """Of its run; None where it has not ended.

    Raises:
      ValueError: names the file that cannot be read, or lacks something.
    """
    directory = self.directory
    summary = run_directory.read_strictly(
        directory.summary_file, directory.read_summary)
    lacking = [] if summary is None else [
        name for name in (*FROM_SUMMARY, 'protocol', 'restarts')
        if name not in summary]
    if lacking:
      raise ValueError(
          f'{directory.summary_file} has no {", ".join(lacking)}')
    return summary

  def read_status(self) -> Optional[status_lib.RunStatus]:
    """Of its run; None where there is none yet.

    Raises:
      ValueError: names the file that cannot be read.
    """
    return run_directory.read_strictly(
        self.directory.status_file, self.directory.read_status)

  def unfinished_because(self) -> str:
    """Why it has no result yet; "" where its run has ended by itself, with this
    configuration, and its last policy was evaluated.

    Raises:
      ValueError: names the file that cannot be read, or lacks something.
    """
    summary, status = self.read_summary(), self.read_status()
    if summary is None or status is None or (
        summary['stop_reason'] in _UNFINISHED):
      return 'it has not come to its end'
    config = run_directory.read_strictly(
        self.directory.config_file, self.directory.read_config)
    for field, value, wanted in settings.all_differences(config, self.config):
      return f'it ran with {field} {value!r}, but is to run with {wanted!r}'
    if not status_lib.final_evaluation(status)[0]:
      return ('no episode of its final evaluation ended within '
              f'evaluator.max_seconds {config.evaluator.max_seconds:g}, which '
              'should be more, in a new study; or the evaluator was away')
    return ''

  def is_finished(self) -> bool:
    """Whether it has a result; raises ValueError as `unfinished_because`."""
    return not self.unfinished_because()


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

  def result_file(self, plan: plan_lib.Plan, suffix: str) -> str:
    """Of a result, such as ".png"."""
    return os.path.join(self.path, f'{plan.study.name}{suffix}')

  def cells(self, plan: plan_lib.Plan) -> List[Cell]:
    """All of a plan, in the order in which they are to be run: every arm with
    the first seed, then with the second.

    Raises:
      ValueError: as `studies.Study.arms`.
    """
    first = plan.config.run.seed
    return [
        Cell(arm, seed, plan.cell_config(arm, seed),
             run_directory.RunDirectory(
                 os.path.join(self.path, _CELLS, arm.name, str(seed))))
        for seed in range(first, first + plan.num_seeds)
        for arm in plan.arms()]

  def read(self) -> plan_lib.Plan:
    """The plan of the study that is here.

    Raises:
      ValueError: there is none, or it cannot be read; names the file.
    """
    try:
      with open(self.study_file, encoding='utf-8') as file:
        data = json.load(file)
      lacking = {'study', 'values', 'seeds', 'config'} - set(data)
      if lacking:
        raise ValueError(f'it has no {", ".join(sorted(lacking))}')
      if data['study'] not in studies.STUDIES:
        raise ValueError(f'there is no study {data["study"]!r}')
      if not isinstance(data['seeds'], int):
        raise ValueError(f'seeds is {data["seeds"]!r}, and not a number')
      return plan_lib.Plan(
          studies.STUDIES[data['study']],
          config_lib.Config.from_json(json.dumps(data['config'])),
          tuple(map(str, data['values'])), data['seeds'])
    except (AttributeError, OSError, TypeError, ValueError) as error:
      raise ValueError(f'{self.study_file} is not that of a study of this '
                       f'version: {error}') from error

  def check(self, plan: plan_lib.Plan) -> None:
    """Checks that a plan may begin, or go on, here; touches nothing.

    Raises:
      ValueError: names `workdir`, its value and what is allowed.
    """
    if allowed := files.refuse_directory(self.path):
      raise self._error(allowed)
    # A command that was killed at its very beginning leaves hidden files.
    if not self.holds_study and os.path.isdir(self.path) and any(
        not name.startswith('.') for name in os.listdir(self.path)):
      raise self._error('a directory that is new, empty or of a study; it has '
                        f'no {STUDY_FILE}')
    if self.holds_study:
      self._check_same(plan, self.read())

  def write(self, plan: plan_lib.Plan) -> None:
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

  def _check_same(self, plan: plan_lib.Plan, old: plan_lib.Plan) -> None:
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
