"""What a soak looks at: every process of a run, and its status file."""

import dataclasses
import pathlib
import time
from typing import Dict, List, Optional

import psutil

from apex_tf.monitoring import role_records
from apex_tf.monitoring import run_directory


@dataclasses.dataclass
class Node:
  """One process at one moment.

  Attributes:
    rss: resident bytes.
    pss: resident bytes, of shared pages its share.
    uss: resident bytes that no other process has: what it would give back.
    threads: of it.
    files: that it has open, sockets among them.
    cpu_seconds: it has used since its start.
  """
  rss: int
  pss: int
  uss: int
  threads: int
  files: int
  cpu_seconds: float


@dataclasses.dataclass
class Look:
  """The run at one moment.

  Attributes:
    seconds: since the launch.
    wall_seconds: of the status file, the run's own clock.
    agent_steps: of the status file.
    learner_steps: likewise.
    replay_size: likewise.
    restarts: how often each role was started again, if it was.
    nodes: each process, by its role; its supervisor is "<role>'s supervisor".
  """
  seconds: float
  wall_seconds: float
  agent_steps: int
  learner_steps: int
  replay_size: int
  restarts: Dict[str, int]
  nodes: Dict[str, Node]


def look(workdir: pathlib.Path, launcher: int, start: float) -> Optional[Look]:
  """Looks at a run; None where it has not written its status yet.

  Args:
    workdir: of the run.
    launcher: process that was started first.
    start: when that was, as `time.monotonic` says it.
  """
  directory = run_directory.RunDirectory(str(workdir))
  status = directory.read_status()
  if status is None:
    return None
  nodes = {}
  for name, pid in _processes(directory, launcher).items():
    node = _measure(pid)
    if node is not None:
      nodes[name] = node
  return Look(time.monotonic() - start, status.wall_seconds,
              status.agent_steps, status.learner_steps, status.replay.size,
              directory.read_restarts(), nodes)


def _processes(directory: run_directory.RunDirectory,
               launcher: int) -> Dict[str, int]:
  """The process of each node by its name."""
  found = {role_records.LAUNCHER: launcher}
  for role, record in directory.read_roles().items():
    # While it is about to be started again, the record is its supervisor's.
    if role != role_records.LAUNCHER and (
        record.state == role_records.RUNNING and record.alive()):
      found[role] = record.pid
      try:
        found[f"{role}'s supervisor"] = psutil.Process(record.pid).ppid()
      except psutil.NoSuchProcess:
        pass
  return found


def _measure(pid: int) -> Optional[Node]:
  """One process; None where it has just ended."""
  try:
    process = psutil.Process(pid)
    with process.oneshot():
      cpu = process.cpu_times()
      threads = process.num_threads()
    files = process.num_fds()
    # One line for all mappings: a tenth of what adding them up here costs.
    text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
  except (psutil.Error, OSError):
    return None
  kilobytes = {
      line.split(':')[0]: int(line.split()[1])
      for line in text.splitlines() if line.endswith(' kB')}
  return Node(
      1024 * kilobytes['Rss'], 1024 * kilobytes['Pss'],
      1024 * (kilobytes['Private_Clean'] + kilobytes['Private_Dirty']),
      threads, files, cpu.user + cpu.system)


def since_full(looks: List[Look], capacity: int) -> List[Look]:
  """Those after replay was full for the first time, that one included."""
  for index, one in enumerate(looks):
    if one.replay_size >= capacity:
      return looks[index:]
  return []
