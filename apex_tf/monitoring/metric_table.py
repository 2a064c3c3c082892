"""The one table of metrics, less what only one agent has.

An agent adds its own in its `metrics` module. TensorFlow is not imported.
"""

import dataclasses
from typing import List, Mapping, Tuple

LEARNER = 'learner'
ACTOR = 'actor'
REPLAY = 'replay'
EVALUATOR = 'evaluator'
# The step of each point in TensorBoard, the key 'step' of `MetricsLogger`.
STEP_UNITS: Mapping[str, str] = {
    LEARNER: 'learner steps',
    ACTOR: 'agent steps of that actor',
    REPLAY: 'transitions inserted',
    EVALUATOR: 'learner steps, of the evaluated version',
}


@dataclasses.dataclass(frozen=True)
class Metric:
  """One metric.

  Attributes:
    name: its name everywhere.
    roles: the kinds of roles that report it.
    unit: of its values.
    doc: what it is.
    agent: the only agent that has it; "" where all do.
  """
  name: str
  roles: Tuple[str, ...]
  unit: str
  doc: str
  agent: str = ''


TABLE: Tuple[Metric, ...] = (
    # Counters: they only grow, except when their role is restarted.
    Metric('learner_steps', (LEARNER,), 'learner steps',
           'Gradient steps since the run began.'),
    Metric('agent_steps', (LEARNER, ACTOR), 'agent steps',
           'Actions: of all actors as the learner knows them, or of the actor '
           'since its start.'),
    Metric('environment_frames', (LEARNER, ACTOR), 'environment frames',
           'Emulator frames, counted like agent_steps.'),
    Metric('episodes', (LEARNER, ACTOR), 'episodes',
           'Finished training episodes, counted like agent_steps.'),
    # Throughput, over the last window.
    Metric('learner_steps_per_second', (LEARNER,), 'learner steps/s',
           'Gradient steps.'),
    Metric('samples_per_second', (LEARNER, REPLAY), 'transitions/s',
           'Transitions: learned from, or handed out by the table (which is '
           'ahead by the prefetched batches).'),
    Metric('agent_steps_per_second', (LEARNER, ACTOR), 'agent steps/s',
           'Actions: of all actors, or of this one.'),
    Metric('frames_per_second', (LEARNER, ACTOR), 'environment frames/s',
           'Emulator frames: of all actors, or of this one.'),
    Metric('inserts_per_second', (REPLAY,), 'transitions/s',
           'Transitions inserted by all actors.'),
    Metric('resident_megabytes', (LEARNER, ACTOR, REPLAY, EVALUATOR), 'MB',
           'Resident memory of its process, which all roles share where they '
           'are threads.'),
    Metric('failed_writes', (LEARNER, ACTOR, REPLAY, EVALUATOR), 'writes',
           'Writes to the run directory in vain, since its process was '
           'started, as of a full disk; each role adds it to its points.'),
    # Learning.
    Metric('loss', (LEARNER,), 'squared return',
           'Mean over the batch of weight * |TD|^2 / 2.'),
    Metric('gradient_norm', (LEARNER,), '1',
           'Global norm of the gradients before they are clipped.'),
    Metric('mean_q', (LEARNER,), 'return',
           'Mean over the batch of the value of the action taken.'),
    Metric('td_error_p10', (LEARNER,), 'return',
           '10th percentile of |TD| in the batch, at the update.'),
    Metric('td_error_p50', (LEARNER,), 'return',
           'Median of |TD| in the batch, at the update.'),
    Metric('td_error_p90', (LEARNER,), 'return',
           '90th percentile of |TD| in the batch, at the update.'),
    Metric('weight_mean', (LEARNER,), '1',
           'Mean importance weight of the batch; the largest is 1.'),
    Metric('weight_min', (LEARNER,), '1',
           'Smallest importance weight of the batch.'),
    Metric('sample_age_p50', (LEARNER,), 'learner steps',
           'Median over the batch of the learner steps between the policy that '
           'acted and now.'),
    Metric('sample_age_p90', (LEARNER,), 'learner steps',
           '90th percentile of the same.'),
    Metric('policy_age_steps', (LEARNER,), 'learner steps',
           'Learner steps since the oldest policy that an actor acts with.'),
    Metric('published_version', (LEARNER,), 'learner steps',
           'Learner step of the newest published variables.'),
    Metric('batch_wait_seconds', (LEARNER,), 's',
           'Total time that the learner waited for data, since its start.'),
    Metric('batch_wait_share', (LEARNER,), '1',
           'Share of the last window that the learner waited for data; 0 is '
           'never, 1 is always.'),
    Metric('stalls', (LEARNER,), 'stalls',
           'Roles and sides of replay that have not got on for 30 s; '
           '`status.json` and the log of the learner name them.'),
    Metric('reporting_actors', (LEARNER,), 'actors',
           'Actors that have reported in the last ten seconds.'),
    # Priority write-back.
    Metric('priority_lag_steps', (LEARNER,), 'learner steps',
           'Learner steps between computing the oldest priority of the newest '
           'write and its arrival in the table.'),
    Metric('priority_updates_dropped', (LEARNER,), 'transitions',
           'Priorities dropped from the full queue, since the start.'),
    Metric('priorities_refused', (LEARNER,), 'transitions',
           'Priorities that were not finite and not written, since the start.'),
    Metric('items_evicted', (LEARNER,), 'transitions',
           'Transitions removed by prioritized eviction, since the start.'),
    # Acting.
    Metric('episode_return', (ACTOR,), 'return',
           'Raw return of an episode, mean of those since the last point.'),
    Metric('episode_return_clipped', (ACTOR,), 'return',
           'The same of the rewards as learning sees them.'),
    Metric('episode_length', (ACTOR,), 'agent steps',
           'Length of an episode, mean of those since the last point.'),
    Metric('broken_episodes', (ACTOR, EVALUATOR), 'episodes',
           'Episodes cut short because the simulator gave a number that was '
           'not finite: of the actor since its start, or in this evaluation.'),
    Metric('policy_version', (ACTOR,), 'learner steps',
           'Learner step of the variables that it acts with.'),
    Metric('policy_age_seconds', (ACTOR,), 's',
           'Time since they were last known to be the newest: since they were '
           'fetched, or their source said that it has no others.'),
    Metric('insert_priority_p10', (ACTOR,), 'return',
           '10th percentile of |TD| at insert, since the last point (the '
           'newest 10,000 at most).'),
    Metric('insert_priority_p50', (ACTOR,), 'return',
           'Median of the same.'),
    Metric('insert_priority_p90', (ACTOR,), 'return',
           '90th percentile of the same.'),
    Metric('items_inserted', (ACTOR,), 'transitions',
           'Transitions written to replay, since its start.'),
    Metric('items_refused', (ACTOR,), 'transitions',
           'Transitions dropped for a priority that was negative or not '
           'finite, since its start.'),
    # Replay.
    Metric('replay_size', (REPLAY,), 'transitions', 'Transitions in it.'),
    Metric('samples_per_insert', (REPLAY,), '1',
           'Samples for each insert since learning began; 0 until it has had '
           '1000 inserts.'),
    Metric('insert_wait_seconds', (ACTOR,), 's',
           'Total time that replay did not take its transitions, since its '
           'start.'),
    Metric('waiting_side', (REPLAY,), '0, 1 or 2',
           'Whom the rate limiter blocks now: 0 no one, 1 the learner, 2 the '
           'actors.'),
    Metric('waiting_seconds', (REPLAY,), 's',
           'Since that side last got on; near 0 where the limiter only slows '
           'it down to keep the ratio.'),
    # Evaluation, raw returns.
    Metric('evaluation_return_mean', (EVALUATOR, LEARNER), 'return',
           'Mean over the episodes; the learner has that of the newest '
           'evaluation, for who sees its event files alone.'),
    Metric('evaluation_return_std', (EVALUATOR,), 'return',
           'Population standard deviation over the episodes.'),
    Metric('evaluation_return_min', (EVALUATOR,), 'return',
           'Of the worst episode.'),
    Metric('evaluation_return_max', (EVALUATOR,), 'return',
           'Of the best episode.'),
    Metric('evaluation_episodes', (EVALUATOR,), 'episodes',
           'Episodes finished in this evaluation.'),
    Metric('evaluation_seconds', (EVALUATOR,), 's',
           'Wall time that this evaluation took.'),
    Metric('human_normalized_score', (EVALUATOR,), '%',
           '100 * (mean - random) / (human - random), Atari only.'),
    Metric('evaluated_version', (EVALUATOR,), 'learner steps',
           'Learner step at which the evaluated variables were published.'),
    Metric('evaluation_agent_steps', (EVALUATOR,), 'agent steps',
           'Agent steps of all actors when that version was fetched.'),
)

# Values of the metric `waiting_side`, by `ReplayStatus.waiting_side`.
WAITING_SIDES: Mapping[str, int] = {'': 0, 'learner': 1, 'actors': 2}


def replay_roles(shards: int) -> List[str]:
  """Of each shard of replay: "replay" alone, or "replay_0" and so on."""
  if shards == 1:
    return [REPLAY]
  return [f'{REPLAY}_{shard}' for shard in range(shards)]


def role_kind(role: str) -> str:
  """The kind of a role: "actor" of "actor_3", "learner" of "learner"."""
  kind, _, index = role.rpartition('_')
  return kind if kind and index.isdigit() else role
