"""The whole experiment as one tree of typed dataclasses.

One section a role, and those of the agents in `agent_config`. Every field
carries its documentation, unit, source and allowed range in its metadata, so
that `validate()`, the error messages and the configuration reference all come
from the same place.

Units: an *environment frame* is one emulator frame; an *agent step* is one
action of one environment (four frames on Atari); a *learner step* is one
gradient step.

Sources: `[paper]` is Horgan et al. 2018, section 4 and appendices C to F, as
collected with its contested points in BUILD_NOTES.md; `[ours]` is a choice of
this implementation.
"""

import dataclasses
import json
import math

from apex_tf import agent_config
from apex_tf import settings

SUITES = ('gymnasium', 'atari', 'minatar', 'control')
EVICTIONS = ('fifo', 'prioritized')
INSERT_PRIORITIES = ('td_error', 'maximum')
ATARI_PROTOCOLS = ('apex2018', 'machado2018')
_LAST_PORT = 65535


@dataclasses.dataclass
class EnvironmentConfig:
  """What the agent acts in."""

  suite: str = settings.setting(
      'gymnasium', 'Which environments room builds the task. [ours]',
      choices=SUITES)
  id: str = settings.setting(
      'CartPole-v1', 'Gymnasium id of the suite gymnasium; domain:task of the '
      'suite control (dm_control), such as walker:stand. [ours]')
  game: str = settings.setting(
      '', 'Game in snake_case, such as ms_pacman; used by the suites atari and '
      'minatar. [ours]')
  num_frames_stacked: int = settings.setting(
      1, 'Frames in one observation, the newest last. 4 on Atari [paper].',
      minimum=1, maximum=16)
  max_episode_steps: int = settings.setting(
      0, 'Agent steps after which an episode is truncated, in training and in '
      "evaluation; 0 keeps the environment's own limit. [ours]", minimum=0)
  reward_clip: float = settings.setting(
      0.0, 'Learning sees each reward clipped to [-reward_clip, reward_clip]; '
      '0 does not clip. Logged returns are never clipped. 1 on Atari [paper].',
      minimum=0.0)
  atari_protocol: str = settings.setting(
      'apex2018', 'apex2018: no sticky actions, life loss is discount 0 '
      'without a reset, up to 30 no-op starts [paper]. machado2018: sticky '
      'actions 0.25, no life loss signal, no no-ops, all 18 actions (Machado '
      'et al. 2018).', choices=ATARI_PROTOCOLS)
  full_action_set: bool = settings.setting(
      True, 'Atari: all 18 actions, as R2D2 section 2.3 reports for Ape-X; '
      'otherwise the minimal set of the game.')
  max_episode_frames: int = settings.setting(
      50_000, 'Atari: emulator frames after which a training episode is '
      'truncated [paper, appendix C].', minimum=4)
  evaluation_max_episode_frames: int = settings.setting(
      108_000, 'Atari: emulator frames after which an evaluation episode is '
      'truncated, 30 minutes of play (the field\'s convention).', minimum=4)

  @property
  def task_field(self) -> str:
    """Which field names the task: "id" or "game"."""
    return 'game' if self.suite in ('atari', 'minatar') else 'id'


@dataclasses.dataclass
class ReplayConfig:
  """The prioritized Reverb tables."""

  shards: int = settings.setting(
      1, 'Replay servers, each with its part of capacity and min_size, of the '
      'actors and of each batch. [ours; paper: 1]', minimum=1, maximum=256)
  capacity: int = settings.setting(
      2_000_000, 'Transitions kept [paper; 1,000,000 for DPG].', minimum=1)
  min_size: int = settings.setting(
      50_000, 'Transitions in replay before learning starts [paper].',
      minimum=1)
  priority_exponent: float = settings.setting(
      0.6, 'alpha of P(k) = p_k^alpha / sum p^alpha [paper].', minimum=0.0,
      maximum=2.0)
  importance_exponent: float = settings.setting(
      0.4, 'beta of the importance weights (N P(k))^-beta, constant [paper].',
      minimum=0.0, maximum=1.0)
  insert_priority: str = settings.setting(
      'td_error', 'With which priority a transition is inserted: td_error, the '
      "|TD| that its actor computed [paper]; maximum, the largest that this "
      'actor has seen, 1 at least (as in PER, Schaul et al. 2016, for '
      'comparison).', choices=INSERT_PRIORITIES)
  insert_copies: int = settings.setting(
      1, 'Times each transition is inserted. [paper: 1, and 8 for 32 actors in '
      'appendix A, to separate how recent data is from how diverse; Reverb '
      'warns at each item above 50]', minimum=1, maximum=64)
  minimum_priority: float = settings.setting(
      1e-6, 'Floor of a priority, so that no transition is lost to sampling. '
      '[ours]', above=0.0, maximum=1e6)
  samples_per_insert: float = settings.setting(
      0.0, 'Times a transition is sampled on average, held by the table\'s '
      'rate limiter; 0 leaves actors and learner free [paper].', minimum=0.0)
  samples_per_insert_tolerance: float = settings.setting(
      0.1, 'How far the ratio may run ahead or behind, as a share of min_size '
      'times samples_per_insert. [ours]', above=0.0)
  eviction: str = settings.setting(
      'fifo', 'Which transitions leave a full replay: fifo, the oldest [paper, '
      'DQN]; prioritized, drawn by priority^eviction_exponent [paper, DPG].',
      choices=EVICTIONS)
  eviction_exponent: float = settings.setting(
      -0.4, 'Exponent of the priorities in prioritized eviction; negative '
      'evicts low priorities first [paper].', minimum=-2.0, maximum=0.0)
  eviction_pool_size: int = settings.setting(
      100_000, 'Newest samples of the learner, from which prioritized eviction '
      'chooses; a small part of capacity times samples per insert. [ours]',
      minimum=1, maximum=100_000_000)
  chunk_length: int = settings.setting(
      8, 'Steps that are compressed together in one Reverb chunk. [ours, '
      'measured]', minimum=1, maximum=512)
  max_pending_items: int = settings.setting(
      40, 'Transitions of one environment that may wait unconfirmed at the '
      'actor before it blocks. [ours; paper: up to 100 buffered, but Reverb '
      'warns at each item above 50]', minimum=1, maximum=10_000)
  checkpoint_minutes: float = settings.setting(
      0.0, 'Minutes between checkpoints of replay, which is then also saved '
      'when it stops, and restored when it starts again; 0 is none: it is '
      'filled anew [paper].', minimum=0.0, maximum=525_600.0, may_change=True)
  port: int = settings.setting(
      0, 'TCP port of the replay server, of several the first; 0 picks free '
      'ones. [ours]', minimum=0, maximum=_LAST_PORT, may_change=True)

  def of_shard(self) -> 'ReplayConfig':
    """That of one shard, as if it were alone."""
    return dataclasses.replace(
        self, shards=1, capacity=math.ceil(self.capacity / self.shards),
        min_size=math.ceil(self.min_size / self.shards))


@dataclasses.dataclass
class ActorConfig:
  """The processes that generate experience."""

  num_actors: int = settings.setting(
      2, 'Actor processes. The paper has 360, of one environment each.',
      minimum=1, maximum=10_000, may_change=True)
  environments_per_actor: int = settings.setting(
      8, 'Environments that one actor steps with one batched policy call. '
      '[ours; paper: 1]', minimum=1, maximum=1024, may_change=True)
  variable_caches: int = settings.setting(
      0, 'Processes that pass the variables on from the learner, each to its '
      'part of the actors; 0 leaves that to the learner. [ours]', minimum=0,
      maximum=1000, may_change=True)
  sync_period: int = settings.setting(
      100, 'Agent steps of one environment between fetches of the learner\'s '
      'variables: 400 frames [paper].', minimum=1)
  flush_period: int = settings.setting(
      10, 'Agent steps of one environment between looks at what its writer has '
      'pending; what fills a chunk is sent anyway. [ours; paper: batches of 50 '
      'transitions]', minimum=1)


@dataclasses.dataclass
class LearnerConfig:
  """The process that learns."""

  batch_size: int = settings.setting(
      512, 'Transitions in one learner step [paper].', minimum=1)
  prefetch_batches: int = settings.setting(
      4, 'Finished batches that wait for the learner. [ours; paper: up to 16]',
      minimum=1, maximum=64, may_change=True)
  num_samplers: int = settings.setting(
      2, 'Threads that sample from replay. [ours]', minimum=1, maximum=64,
      may_change=True)
  checkpoint_minutes: float = settings.setting(
      5.0, 'Minutes between checkpoints of the learner, which is also saved '
      'when it stops. [ours]', above=0.0, may_change=True)
  publish_period: int = settings.setting(
      50, 'Learner steps between snapshots of the variables that actors and '
      'evaluator fetch. [ours]', minimum=1)
  max_pending_priorities: int = settings.setting(
      100_000, 'Priorities that may wait for their write-back; beyond it the '
      'oldest are dropped and counted. [ours]', minimum=1, may_change=True)
  port: int = settings.setting(
      0, 'TCP port of the variable source; 0 picks a free one. [ours]',
      minimum=0, maximum=_LAST_PORT, may_change=True)

  def of_shard(self, shards: int) -> 'LearnerConfig':
    """For the part of each batch that comes from one of so many shards."""
    return dataclasses.replace(
        self, batch_size=self.batch_size // shards,
        num_samplers=math.ceil(self.num_samplers / shards))


@dataclasses.dataclass
class EvaluatorConfig:
  """The process that measures the policy and adds no data."""

  episodes: int = settings.setting(
      20, 'Episodes in one evaluation. [ours]', minimum=1, may_change=True)
  num_environments: int = settings.setting(
      20, 'Environments evaluated with one batched policy call. [ours]',
      minimum=1, maximum=1024, may_change=True)
  period_seconds: float = settings.setting(
      15.0, 'Seconds between the starts of two evaluations, of two versions; '
      'longer where no newer one is there. [ours]',
      minimum=0.0, may_change=True)
  max_seconds: float = settings.setting(
      60.0, 'Seconds after which one evaluation, the final one too, ends with '
      'the episodes it has. [ours]', above=0.0, may_change=True)


@dataclasses.dataclass
class RunConfig:
  """When the program stops, and what it says meanwhile."""

  seed: int = settings.setting(
      0, 'Seed of networks, environments and exploration; Reverb\'s sampler '
      'cannot be seeded. [ours]', minimum=0, maximum=2**31 - 1)
  max_minutes: float = settings.setting(
      math.inf, 'Minutes of wall time after which the program stops. [ours]',
      above=0.0, infinite=True, may_change=True)
  max_learner_steps: int = settings.setting(
      0, 'Learner steps after which the program stops; 0 is no limit. [ours]',
      minimum=0, may_change=True)
  max_agent_steps: int = settings.setting(
      0, 'Agent steps of all actors after which the program stops; 0 is no '
      'limit. [ours]', minimum=0, may_change=True)
  target_return: float = settings.setting(
      math.inf, 'The program stops once two evaluations in a row of the same '
      'policy reach it in the mean; that policy is the result, and is measured '
      'once more. [ours]', infinite=True, may_change=True)
  max_restarts: int = settings.setting(
      10, 'Restarts of one role in an hour, after which the run stops. [ours]',
      minimum=0, may_change=True)
  max_memory_share: float = settings.setting(
      0.8, 'Share of the machine\'s memory that a full replay may need; a run '
      'that would need more is refused. [ours]', above=0.0, maximum=1.0,
      may_change=True)
  metrics_period_seconds: float = settings.setting(
      5.0, 'Seconds between two points in TensorBoard. [ours]', above=0.0,
      may_change=True)


@dataclasses.dataclass
class Config:
  """A complete experiment. The defaults are the paper's where it has one."""

  environment: EnvironmentConfig = dataclasses.field(
      default_factory=EnvironmentConfig)
  agent: agent_config.AgentConfig = dataclasses.field(
      default_factory=agent_config.AgentConfig)
  dqn: agent_config.DQNConfig = dataclasses.field(
      default_factory=agent_config.DQNConfig)
  dpg: agent_config.DPGConfig = dataclasses.field(
      default_factory=agent_config.DPGConfig)
  replay: ReplayConfig = dataclasses.field(default_factory=ReplayConfig)
  actor: ActorConfig = dataclasses.field(default_factory=ActorConfig)
  learner: LearnerConfig = dataclasses.field(default_factory=LearnerConfig)
  evaluator: EvaluatorConfig = dataclasses.field(
      default_factory=EvaluatorConfig)
  run: RunConfig = dataclasses.field(default_factory=RunConfig)

  @property
  def total_environments(self) -> int:
    """Training environments of all actors."""
    return self.actor.num_actors * self.actor.environments_per_actor

  def validate(self) -> None:
    """Checks every field and the relations between fields.

    Raises:
      ValueError: names the field, its value and what is allowed.
    """
    settings.check(self)
    replay, learner = self.replay, self.learner
    for field, size in (('replay.min_size', replay.min_size),
                        ('learner.batch_size', learner.batch_size)):
      if size > replay.capacity:
        raise settings.error(
            field, size, f'at most replay.capacity, {replay.capacity}')
    if learner.batch_size % replay.shards:
      raise settings.error(
          'replay.shards', replay.shards,
          f'a divisor of learner.batch_size, {learner.batch_size}')
    highest = _LAST_PORT + 1 - replay.shards
    if replay.port > highest:
      raise settings.error(
          'replay.port', replay.port, f'at most {highest}: each of '
          f'{replay.shards} shards has a port, from this one on')
    if replay.shards > self.actor.num_actors:
      raise settings.error(
          'replay.shards', replay.shards, 'at most actor.num_actors, '
          f'{self.actor.num_actors}: each actor writes to one')
    shard = replay.of_shard()
    if 0 < shard.samples_per_insert and shard.samples_per_insert_tolerance * (
        shard.min_size) < max(1.0, 1.0 / shard.samples_per_insert):
      raise settings.error(
          'replay.samples_per_insert_tolerance',
          replay.samples_per_insert_tolerance,
          'large enough that it times replay.min_size (of a shard, '
          f'{shard.min_size}) is a whole sample and a whole insert')
    environment = self.environment
    field = environment.task_field
    if not getattr(environment, field):
      raise settings.error(f'environment.{field}', '',
                           f'a task of the suite {environment.suite}')

  def to_json(self) -> str:
    """The configuration as strict JSON; infinity is the string "inf"."""
    return json.dumps(settings.to_mapping(self), indent=2, allow_nan=False)

  @classmethod
  def from_json(cls, text: str) -> 'Config':
    """The inverse of `to_json`.

    Raises:
      ValueError: an unknown section or field, by name, or a wrong type.
    """
    return settings.from_mapping(
        cls, json.loads(text),
        lambda path: settings.unknown_field_message(cls(), path))
