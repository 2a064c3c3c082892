"""A folder for the temporary files of all processes of a run.

Launchpad writes down in $TMPDIR what each process is to do, and only an orderly
end removes it. So a launch has a folder of its own there, whose name follows
from the run directory: it goes with the launch, and where that is killed, the
next one of the same run removes it.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from typing import Iterator


@contextlib.contextmanager
def of_run(path: str) -> Iterator[str]:
  """Has this process and its children write temporary files to one folder.

  Args:
    path: of the run directory, absolute.

  Yields:
    The folder, empty, for its owner only. It is removed at the end.

  Raises:
    OSError: it cannot be made.
  """
  digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
  folder = os.path.join(
      tempfile.gettempdir(), f'apex_tf_{os.getuid()}_{digest}')
  shutil.rmtree(folder, ignore_errors=True)
  try:
    os.mkdir(folder, mode=0o700)
  except FileExistsError:  # Another user's, or a link: not for us to touch.
    folder = tempfile.mkdtemp(prefix='apex_tf_')
  before = os.environ.get('TMPDIR')
  os.environ['TMPDIR'] = tempfile.tempdir = folder
  try:
    yield folder
  finally:
    tempfile.tempdir = None  # To be read from the environment again.
    if before is None:
      del os.environ['TMPDIR']
    else:
      os.environ['TMPDIR'] = before
    shutil.rmtree(folder, ignore_errors=True)
