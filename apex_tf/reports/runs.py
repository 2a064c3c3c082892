"""Everything that a report says of a run, read from its directory."""

import dataclasses
import os
from typing import Any, Collection, Dict, List, Mapping, Sequence

import numpy as np

from apex_tf import config as config_lib
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import summary as summary_lib
from apex_tf.reports import evaluations as evaluations_lib
from apex_tf.reports import event_files

# Longer than any run, in seconds.
_FOREVER = 1e10


@dataclasses.dataclass(frozen=True)
class Run:
  """A run that has an evaluation.

  Attributes:
    name: tells it from the other runs of a report.
    config: of the run.
    status: its newest.
    summary: as `summary.summarize` returns it.
    has_ended: whether it has left that summary itself.
    status_age_seconds: how old its status is.
    evaluations: in order; there is at least one.
    events: of each role that has event files, such as "actor_3".
  """
  name: str
  config: config_lib.Config
  status: status_lib.RunStatus
  summary: Mapping[str, Any]
  has_ended: bool
  status_age_seconds: float
  evaluations: Sequence[evaluations_lib.Point]
  events: Mapping[str, event_files.RoleEvents]

  def roles(self, kind: str) -> List[str]:
    """The roles of a kind, in order of their indices."""
    return sorted((role for role in self.events
                   if metric_table.role_kind(role) == kind),
                  key=lambda role: (len(role), role))

  def minutes(self, times: np.ndarray) -> np.ndarray:
    """Minutes of the run at times in seconds since 1970.

    The time between two processes of the learner does not count. Where it has
    written nothing, the run begins with the first point of any role.
    """
    spans = self.events.get(
        metric_table.LEARNER, event_files.NO_EVENTS).spans
    if not spans:
      begin = min((events.spans[0][0] for events in self.events.values()
                   if events.spans), default=0.0)
      return (times - begin) / 60
    at = [spans[0][0] - _FOREVER]
    elapsed = [-_FOREVER]
    total = 0.0
    for begin, end in spans:
      at += [begin, end]
      elapsed += [total, total + end - begin]
      total = elapsed[-1]
    at.append(spans[-1][1] + _FOREVER)
    elapsed.append(total + _FOREVER)
    return np.interp(times, np.maximum.accumulate(at), elapsed) / 60

  def restart_minutes(self) -> np.ndarray:
    """When the learner's points go on in another file, as after a restart."""
    spans = self.events.get(
        metric_table.LEARNER, event_files.NO_EVENTS).spans
    return self.minutes(np.array([begin for begin, _ in spans[1:]]))


def is_run(path: str) -> bool:
  """Whether a run has begun in a directory."""
  return run_directory.RunDirectory(path).holds_run


def read(path: str, name: str,
         kinds: Collection[str] = tuple(metric_table.STEP_UNITS)) -> Run:
  """Reads a run, whether it has ended or goes on.

  One that goes on, or whose end was never written, is summed up by its newest
  status.

  Args:
    path: of its directory.
    name: to give it.
    kinds: of the roles whose events are read; the evaluator's are those of
      `evaluations`.

  Raises:
    ValueError: names the file that is corrupt or of another version, or says
      that the run has no evaluation.
  """
  read_strictly = run_directory.read_strictly
  directory = run_directory.RunDirectory(path)
  config = read_strictly(directory.config_file, directory.read_config)
  # Before the status, which is then at least as new.
  events = _read_events(directory, kinds)
  status = read_strictly(directory.status_file, directory.read_status)
  if status is None:
    raise ValueError(f'{path!r} is a run without results: it has no '
                     'status.json yet')
  restarts = read_strictly(directory.roles_directory, directory.read_restarts)
  written: Dict[str, Any] = read_strictly(
      directory.summary_file, lambda: dict(directory.read_summary() or {}))
  summary = {**summary_lib.summarize(status, config, restarts), **written}
  found = evaluations_lib.merge(
      status, events.get(metric_table.EVALUATOR, event_files.NO_EVENTS))
  if not found:
    raise ValueError(f'{path!r} is a run without results: it has no '
                     'evaluation yet')
  return Run(name, config, status, summary, bool(written),
             directory.status_age_seconds(), found, events)


def _read_events(directory: run_directory.RunDirectory, kinds: Collection[str]
                ) -> Dict[str, event_files.RoleEvents]:
  """The events of the roles of some kinds; those without a file are left
  out."""
  try:
    roles = sorted(os.listdir(directory.tensorboard_root))
  except FileNotFoundError:
    return {}
  read_roles = {
      role: event_files.read_role(directory.tensorboard_directory(role))
      for role in roles
      if metric_table.role_kind(role) in kinds}
  return {role: events for role, events in read_roles.items() if events.spans}
