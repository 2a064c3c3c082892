"""Checkpoints of replay: its transitions, their priorities and its counts.

    <directory>/<number>/
      tables.tfrecord  the items, and the state of the rate limiter
      chunks.tfrecord  the steps that they refer to
      replay.json      how many there are, see `checkpoint_size`
      manifest.json    of `checkpoint_directory`

Reverb 0.7 names its checkpoints by the clock and writes them in place. So it
writes into a folder of its own, from where they are moved when they are whole.
While it writes, inserts and samples wait.
"""

import os
import shutil
import time
from typing import Callable, Optional

from absl import logging
import reverb
from reverb.platform import checkpointers_lib

from apex_tf import checkpoint_directory
from apex_tf.replay import checkpoint_size
from apex_tf.replay import layout
from apex_tf.replay import learner_lease
from apex_tf.replay import tables


class ReplayCheckpointer:
  """Starts a server from the newest checkpoint, and saves it.

  All calls come from one thread.
  """

  def __init__(self, directory: str, period_minutes: float,
               clock: Callable[[], float] = time.monotonic):
    """Initializes a checkpointer that has saved nothing.

    Args:
      directory: of the checkpoints, and of nothing else; made when needed.
      period_minutes: between the saves of `save_if_due`. With 0 there are no
        checkpoints: nothing is restored and nothing saved.
      clock: seconds, for `save_if_due` alone.
    """
    self._directory = checkpoint_directory.CheckpointDirectory(
        directory, keep=checkpoint_size.NUM_KEPT)
    self._unfinished = f'{directory}_unfinished'
    self._period_seconds = 60 * period_minutes
    self._clock = clock
    self._saved_at = clock()
    self._client: Optional[reverb.Client] = None
    self._num_saved = 0

  def make_server(self, table: reverb.Table, port: Optional[int]
                 ) -> reverb.Server:
    """Starts a server; logs whether it is restored or empty, and why.

    Args:
      table: of the configuration, empty.
      port: to serve on; None picks a free one.

    Returns:
      The server. With a checkpoint that is whole and of a table like this one,
      it holds exactly what that holds.
    """
    self._clear()
    server = self._restore(table, port) if self._period_seconds else None
    if server is None:
      logging.info('Replay is empty.')
      server = self._start(table, port)
    self._client = server.localhost_client()
    self._saved_at = self._clock()
    return server

  def save_if_due(self) -> None:
    """Saves when the last save, or the start, was a period ago."""
    # A clock that has gone back says nothing of how long it is.
    if not 0 <= self._clock() - self._saved_at < self._period_seconds:
      self.save()

  def save(self) -> bool:
    """Saves what the server holds; nothing where there are no checkpoints.

    An error is logged: a run outlives it, and the earlier checkpoint too.

    Returns:
      Whether it was saved.
    """
    if not self._period_seconds:
      return False
    start = time.monotonic()
    number = self._directory.next_step()
    try:
      self._directory.save(number, self._write)
    except Exception as error:  # pylint: disable=broad-except
      # Reverb and the disk have their own each.
      logging.error('Replay is not saved in %s: %s',
                    self._directory.path_of(number), error)
      return False
    finally:
      self._clear()
      self._saved_at = self._clock()
    logging.info('Saved replay: %d transitions in %.1f s.', self._num_saved,
                 time.monotonic() - start)
    return True

  def _write(self, directory: str) -> None:
    assert self._client is not None, 'make_server comes first'
    info = self._client.server_info()[layout.TABLE]
    self._num_saved = info.current_size
    os.makedirs(self._unfinished, mode=0o700, exist_ok=True)
    path = self._client.checkpoint()
    for name in os.listdir(path):
      os.rename(os.path.join(path, name), os.path.join(directory, name))
    checkpoint_size.write_state(directory, self._num_saved)

  def _restore(self, table: reverb.Table,
               port: Optional[int]) -> Optional[reverb.Server]:
    """A server with what the newest checkpoint holds, if there is one."""
    try:
      found = self._directory.find_newest()
      if found is None:
        return None
      server = self._start(table, port, found.path)
    except (OSError, RuntimeError) as error:
      logging.error('Replay cannot be restored from %s: %s',
                    self._directory.path, error)
      return None
    restored = server.localhost_client().server_info()[layout.TABLE]
    different = tables.difference(restored, table.info)
    if different:
      logging.error('Replay is not restored from %s, which is of another '
                    'table: %s.', found.path, different)
      server.stop()
      return None
    logging.info(
        'Restored %d transitions of replay, of %d ever inserted, from %s.',
        restored.current_size,
        restored.rate_limiter_info.insert_stats.completed, found.path)
    return server

  def _start(self, table: reverb.Table, port: Optional[int],
             restored_from: Optional[str] = None) -> reverb.Server:
    # Reverb's own choice would be a new folder in /tmp for each server.
    server = reverb.Server(
        [table, learner_lease.make_table()], port,
        checkpointers_lib.DefaultCheckpointer(
            self._unfinished, fallback_checkpoint_path=restored_from))
    # Whose it was is not restored.
    server.localhost_client().reset(learner_lease.TABLE)
    return server

  def _clear(self) -> None:
    """Removes what a save that did not end has left."""
    shutil.rmtree(self._unfinished, ignore_errors=True)
