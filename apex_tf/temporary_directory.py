"""Where all processes of a run write their temporary files.

Launchpad writes down in $TMPDIR what each process is to do, and a supervisor
reads it at each restart. Nobody cleans the run directory as they do /tmp; and
what a launch leaves that is killed goes with the next.
"""

import contextlib
import os
import shutil
import tempfile
from typing import Iterator


def make_empty(path: str) -> None:
  """Makes a directory for its owner only, without what was there.

  Raises:
    OSError: it cannot be made.
  """
  shutil.rmtree(path, ignore_errors=True)
  os.mkdir(path, mode=0o700)


@contextlib.contextmanager
def used(path: str) -> Iterator[None]:
  """Has this process and its children write temporary files to a directory.

  Args:
    path: of a directory, which is removed at the end.
  """
  before = os.environ.get('TMPDIR')
  os.environ['TMPDIR'] = tempfile.tempdir = path
  try:
    yield
  finally:
    tempfile.tempdir = None  # To be read from the environment again.
    if before is None:
      del os.environ['TMPDIR']
    else:
      os.environ['TMPDIR'] = before
    shutil.rmtree(path, ignore_errors=True)
