"""What the table says of itself."""

import threading
import time
from typing import Optional

from absl import logging
import reverb

from apex_tf import config as config_lib
from apex_tf.monitoring import status as status_lib
from apex_tf.replay import layout

# Fewer inserts since learning began make no ratio.
_MIN_LEARNING_INSERTS = 1000


def wait_until_it_answers(client: reverb.Client, stop: threading.Event) -> bool:
  """Waits for a server that is not there yet, or is just started again.

  A writer that is made meanwhile would raise an error after three seconds.

  Args:
    client: of the replay server.
    stop: ends the wait.

  Returns:
    Whether it answers.
  """
  waiting = False
  while not stop.is_set():
    try:
      client.server_info(timeout=1)
      return True
    except (reverb.DeadlineExceededError, RuntimeError) as error:
      if not waiting:
        logging.warning('Replay does not answer: %s (waiting)', error)
      waiting = True
      stop.wait(0.2)
  return False


class ReplayMonitor:
  """Reads the table's state, and notices which side of it waits.

  Reverb 0.7 tells how many inserts and samples it has let pass, but not whom
  it holds back; that follows from these counts and the rate limiter's rule.
  """

  def __init__(self, client: reverb.Client, config: config_lib.ReplayConfig):
    self._client = client
    self._config = config
    self._blocked = ('', 0)  # The side, and how far it had come.
    self._blocked_since = 0.0

  def read(self, timeout_seconds: int = 5) -> Optional[status_lib.ReplayStatus]:
    """The table's state, or None if the server does not answer in time."""
    try:
      info = self._client.server_info(timeout=timeout_seconds)[layout.TABLE]
    except (reverb.DeadlineExceededError, RuntimeError):
      return None
    limiter = info.rate_limiter_info
    inserts = limiter.insert_stats.completed
    samples = limiter.sample_stats.completed
    side = self._side(info.current_size, inserts, samples, limiter)
    # A side that is held back to keep a ratio still gets on, a little at each
    # look; it waits from when it no longer does.
    blocked = (side, inserts if side == 'actors' else samples)
    now = time.monotonic()
    if blocked != self._blocked:
      self._blocked, self._blocked_since = blocked, now
    learning_inserts = inserts - self._config.min_size
    return status_lib.ReplayStatus(
        size=info.current_size,
        min_size=self._config.min_size,
        capacity=self._config.capacity,
        inserts=inserts,
        samples=samples,
        samples_per_insert=(samples / learning_inserts
                            if learning_inserts >= _MIN_LEARNING_INSERTS
                            else 0.0),
        waiting_side=side,
        waiting_seconds=now - self._blocked_since if side else 0.0)

  def _side(self, size: int, inserts: int, samples: int,
            limiter: 'reverb.reverb_types.RateLimiterInfo') -> str:
    """Whom the rate limiter holds back: "learner", "actors" or nobody."""
    if size < limiter.min_size_to_sample:
      return 'learner'
    error = inserts * limiter.samples_per_insert - samples
    if error - 1 < limiter.min_diff:
      return 'learner'
    if error + limiter.samples_per_insert > limiter.max_diff:
      return 'actors'
    return ''
