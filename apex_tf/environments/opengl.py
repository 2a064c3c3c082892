"""Which OpenGL MuJoCo's libraries draw with, on machines without a display.

They look at MUJOCO_GL once: dm_control when it is imported, gymnasium when it
first draws. Without it they take GLFW, which needs an X server. So it is set
for as long as one of them looks, and is then as the user had it: child
processes and other libraries see no change.
"""

import contextlib
import os
import threading
from typing import ContextManager, Iterator

_VARIABLE = 'MUJOCO_GL'
# Environments may be made in several threads, and there is one os.environ.
_lock = threading.RLock()


@contextlib.contextmanager
def use(backend: str) -> Iterator[None]:
  """MUJOCO_GL is `backend` inside of it, such as egl or off."""
  with _lock:
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = backend
    try:
      yield
    finally:
      if before is None:
        del os.environ[_VARIABLE]
      else:
        os.environ[_VARIABLE] = before


def use_default() -> ContextManager[None]:
  """The user's choice; without one, EGL where there is no display."""
  if os.environ.get(_VARIABLE) or os.environ.get('DISPLAY'):
    return contextlib.nullcontext()
  return use('egl')
