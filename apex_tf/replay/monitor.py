"""What the tables say of themselves."""

from concurrent import futures
import threading
import time
from typing import Optional, Sequence

import reverb
from reverb import reverb_types

from apex_tf import config as config_lib
from apex_tf import waiting
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import layout

# Fewer inserts since learning began make no ratio.
_MIN_LEARNING_INSERTS = 1000


def wait_until_it_answers(address: str, stop: threading.Event,
                          patience: waiting.Patience) -> bool:
  """Waits for a server that is not there yet, or is just started again.

  A writer that is made meanwhile would raise an error after three seconds.

  Args:
    address: `host:port` of the replay server.
    stop: ends the wait.
    patience: with it.

  Returns:
    Whether it answers.

  Raises:
    waiting.NoAnswerError: nobody answers, or not a replay server.
  """
  client = reverb.Client(address)
  wait = waiting.Wait(f'replay at {address}', patience)
  while not stop.is_set():
    try:
      if layout.TABLE in client.server_info(timeout=1):
        return True
      found = 'has other tables'
    except NotImplementedError:  # A server of gRPC without this method.
      found = 'answers, but not as a replay server does'
    except (reverb.DeadlineExceededError, RuntimeError) as error:
      wait.note(error)
      stop.wait(0.2)
      continue
    raise waiting.NoAnswerError(f'{address} {found}: is it the right port?')
  return False


class ReplayMonitor:
  """Reads the state of all shards, and notices which side of them waits.

  Reverb 0.7 tells how many inserts and samples it has let pass, but not whom
  it holds back; that follows from these counts and the rate limiter's rule.
  """

  def __init__(self, clients: Sequence[reverb.Client],
               config: config_lib.ReplayConfig):
    """Initializes a monitor that has read nothing.

    Args:
      clients: of the shards, in their order.
      config: of replay as a whole.
    """
    self._clients = list(clients)
    self._config = config
    # Side by side: each that is silent takes its time.
    self._pool = futures.ThreadPoolExecutor(len(self._clients))
    self._blocked = ('', 0)  # The side, and how far it had come.
    self._blocked_since = 0.0

  def read(self, timeout_seconds: int = 5) -> Optional[status_lib.ReplayStatus]:
    """The state of the shards that answer in time, or None if none does."""
    tables = list(self._pool.map(
        lambda client: _table(client, timeout_seconds), self._clients))
    present = [table for table in tables if table is not None]
    if not present:
      return None
    inserts = sum(table.rate_limiter_info.insert_stats.completed
                  for table in present)
    samples = sum(table.rate_limiter_info.sample_stats.completed
                  for table in present)
    side = _side_of_all(list(map(_side, present)))
    # A side that is held back to keep a ratio still gets on, a little at each
    # look; it waits from when it no longer does.
    blocked = (side, inserts if side == 'actors' else samples)
    now = time.monotonic()
    if blocked != self._blocked:
      self._blocked, self._blocked_since = blocked, now
    learning_inserts = inserts - self._config.min_size
    return status_lib.ReplayStatus(
        size=sum(table.current_size for table in present),
        min_size=self._config.min_size,
        capacity=self._config.capacity,
        inserts=inserts,
        samples=samples,
        samples_per_insert=(samples / learning_inserts
                            if learning_inserts >= _MIN_LEARNING_INSERTS
                            else 0.0),
        waiting_side=side,
        waiting_seconds=now - self._blocked_since if side else 0.0,
        silent_shards=[shard for shard, table in enumerate(tables)
                       if table is None])


def _table(client: reverb.Client,
           timeout_seconds: int) -> Optional[reverb_types.TableInfo]:
  """One shard's table, or None if its server does not answer in time."""
  try:
    return client.server_info(timeout=timeout_seconds)[layout.TABLE]
  except (reverb.DeadlineExceededError, RuntimeError):
    return None


def _side(table: reverb_types.TableInfo) -> str:
  """Whom its rate limiter holds back: "learner", "actors" or nobody."""
  limiter = table.rate_limiter_info
  if table.current_size < limiter.min_size_to_sample:
    return 'learner'
  inserts = limiter.insert_stats.completed
  samples = limiter.sample_stats.completed
  error = inserts * limiter.samples_per_insert - samples
  if error - 1 < limiter.min_diff:
    return 'learner'
  if error + limiter.samples_per_insert > limiter.max_diff:
    return 'actors'
  return ''


def _side_of_all(sides: Sequence[str]) -> str:
  """Whom replay holds back: the learner, who samples all shards in turn, where
  one of them does; actors, who have one each, only where all do."""
  if 'learner' in sides:
    return 'learner'
  return 'actors' if set(sides) == {'actors'} else ''
