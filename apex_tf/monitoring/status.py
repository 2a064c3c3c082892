"""The state of a run as plain records, and as the JSON file `status.json`.

The coordinator keeps them, the learner's process writes them, and everything
that shows or sums up a run (console, learning curve, summary) reads them.
"""

import dataclasses
import json
from typing import Any, Dict, List, Optional, Sequence, Tuple

# Phases of a run, in order.
STARTING = 'starting'  # A run that goes on, before its learner says where.
FILLING = 'filling replay'
LEARNING = 'learning'
STOPPING = 'stopping'  # The last variables are not yet published.
FINAL_EVALUATION = 'final evaluation'
DONE = 'done'
PHASES = (STARTING, FILLING, LEARNING, STOPPING, FINAL_EVALUATION, DONE)
# In which actors act and limits count.
LEARNING_PHASES = (FILLING, LEARNING)
# What a role is told instead of the phase where another has its index.
TAKEN = 'taken'

# Values of `stop_reason`, besides the names of the limits in `config.run`.
INTERRUPTED = 'interrupted'
FAILED = 'failed'


def _fields(record: Any) -> Dict[str, Any]:
  """Of a record, for JSON."""
  if not dataclasses.is_dataclass(record):
    raise TypeError(f'{record!r} is not JSON')
  return vars(record)


@dataclasses.dataclass
class ActorReport:
  """What one actor process last said of itself; counts since its start.

  Attributes:
    incarnation: tells a restarted actor from its predecessor.
    owner: where it runs: host and process, or supervisor.
    agent_steps: actions of all its environments.
    environment_frames: emulator frames of all its environments.
    episodes: finished episodes.
    items_inserted: transitions written to replay.
    items_refused: transitions dropped for a non-finite or negative priority.
    insert_wait_seconds: time spent blocked on replay.
    learner_step: of the variables that it acts with.
    exploration: how its environments explore, as its policy says it.
    recent_returns: raw returns of its newest episodes, oldest first.
    broken_episodes: cut short because the simulator gave a number that was not
      finite; not among `episodes`.
  """
  incarnation: str = ''
  agent_steps: int = 0
  environment_frames: int = 0
  episodes: int = 0
  items_inserted: int = 0
  items_refused: int = 0
  insert_wait_seconds: float = 0.0
  learner_step: int = 0
  exploration: str = ''
  recent_returns: List[float] = dataclasses.field(default_factory=list)
  broken_episodes: int = 0
  owner: str = ''


@dataclasses.dataclass
class Evaluation:
  """One evaluation of one published version of the policy.

  Attributes:
    learner_step: at which the evaluated variables were published.
    agent_steps: of all actors when that version was first fetched.
    environment_frames: likewise.
    wall_seconds: since the run's start, when the evaluation ended.
    returns: raw return of each finished episode.
    complete: whether all episodes asked for were finished in time.
    final: whether it is the evaluation after learning has stopped.
    mean: of `returns`.
    std: population standard deviation of `returns`.
    human_normalized: 100 * (mean - random) / (human - random) in percent; only
      of Atari games with reference scores, otherwise None.
    broken_episodes: that were played and are not in `returns`, because the
      simulator gave a number that was not finite.
  """
  learner_step: int
  agent_steps: int
  environment_frames: int
  wall_seconds: float
  returns: List[float]
  complete: bool
  final: bool
  mean: float
  std: float
  human_normalized: Any = None
  broken_episodes: int = 0

  def reaches(self, target: float) -> bool:
    """Whether all episodes were finished and `mean` is `target` or more."""
    return self.complete and self.mean >= target


@dataclasses.dataclass
class ReplayStatus:
  """The prioritized table, as its server describes it.

  Attributes:
    size: transitions in it.
    min_size: transitions it needs before it can be sampled.
    capacity: transitions it is configured to hold; with prioritized eviction
      it may hold up to 2 % more for a moment.
    inserts: transitions ever inserted.
    samples: transitions ever sampled.
    samples_per_insert: samples for each insert beyond `min_size`; 0 until
      there are 1000 of those, because the first ratios would mislead.
    waiting_side: "learner" or "actors" while its rate limiter blocks one of
      them, otherwise "".
    waiting_seconds: since that side last got on; near 0 where the limiter only
      slows it down to keep the ratio.
    learner_wait_seconds: total time that the learner has waited for batches.
    actors_wait_seconds: total time that the actors have waited to insert.
    silent_shards: numbers of those that did not answer; the rest is of the
      others.
  """
  size: int = 0
  min_size: int = 0
  capacity: int = 0
  inserts: int = 0
  samples: int = 0
  samples_per_insert: float = 0.0
  waiting_side: str = ''
  waiting_seconds: float = 0.0
  learner_wait_seconds: float = 0.0
  actors_wait_seconds: float = 0.0
  silent_shards: List[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class RunStatus:
  """Everything worth knowing of a run at one moment.

  Attributes:
    phase: one of `PHASES`.
    stop_reason: "" while it runs; then the name of the limit in `config.run`
      that ended it ("target_return", "max_minutes", ...), or "interrupted".
    wall_seconds: since the run's start, without the time in which it had no
      learner's process.
    learning_seconds: from the first learner step until learning is over, 0
      before it; without the final evaluation and, of a resumed run, the time
      from a resume to the first step after it.
    learner_steps: gradient steps.
    agent_steps: of all actors, past and present.
    environment_frames: likewise.
    episodes: likewise.
    broken_episodes: likewise; they are not among `episodes`.
    rates: per second, over the last window, by metric name:
      `learner_steps_per_second`, `samples_per_second`,
      `agent_steps_per_second`, `frames_per_second`.
    loss: of the newest learner step.
    replay: the table.
    actors: newest report of each actor that has reported since the learner's
      process was started, by its index as a string.
    reporting_actors: how many actors are there now: they have reported in the
      last ten seconds.
    evaluations: oldest first; of a long run only some, with the best and the
      newest among them. TensorBoard has all.
    stalls: one line for each role that has not got on for 30 s; see
      `stalls.StallWatch`.
    unsaved: what the run was to leave, once learning is over, and could not
      write so far.
  """
  phase: str = FILLING
  stop_reason: str = ''
  wall_seconds: float = 0.0
  learning_seconds: float = 0.0
  learner_steps: int = 0
  agent_steps: int = 0
  environment_frames: int = 0
  episodes: int = 0
  broken_episodes: int = 0
  rates: Dict[str, float] = dataclasses.field(default_factory=dict)
  loss: float = 0.0
  replay: ReplayStatus = dataclasses.field(default_factory=ReplayStatus)
  actors: Dict[str, ActorReport] = dataclasses.field(default_factory=dict)
  reporting_actors: int = 0
  evaluations: List[Evaluation] = dataclasses.field(default_factory=list)
  stalls: List[str] = dataclasses.field(default_factory=list)
  unsaved: List[str] = dataclasses.field(default_factory=list)

  def to_json(self) -> str:
    # The learner's process writes this each second, so without an indent and
    # without `asdict`: a quarter of the time.
    return json.dumps(self, default=_fields)

  @classmethod
  def from_json(cls, text: str) -> 'RunStatus':
    """The inverse of `to_json`."""
    data = json.loads(text)
    data['replay'] = ReplayStatus(**data['replay'])
    data['actors'] = {
        index: ActorReport(**report) for index, report in data['actors'].items()
    }
    data['evaluations'] = [Evaluation(**e) for e in data['evaluations']]
    return cls(**data)


def best_evaluation(
    evaluations: Sequence[Evaluation]) -> Optional[Evaluation]:
  """That of the highest mean, of those that finished all their episodes: the
  others lack the long ones. None where there is none."""
  return max((evaluation for evaluation in evaluations if evaluation.complete),
             key=lambda evaluation: evaluation.mean, default=None)


def final_evaluation(status: RunStatus) -> Tuple[bool, Any]:
  """The evaluation that stands for the run.

  Returns:
    Whether it is of the last published version, and the `Evaluation`: the
    final one if there is one, else the newest, else None.
  """
  for evaluation in reversed(status.evaluations):
    if evaluation.final:
      return True, evaluation
  return False, status.evaluations[-1] if status.evaluations else None
