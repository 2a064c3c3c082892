"""Whether MuJoCo can draw on this machine, asked without apex_tf."""

import functools
import os
import subprocess
import sys

_DRAW = 'import mujoco; mujoco.GLContext(64, 64).make_current()'


@functools.cache
def mujoco_draws() -> bool:
  """Whether it gets an OpenGL context, in a process of its own: by the user's
  MUJOCO_GL, and without one by EGL where there is no display."""
  variables = dict(os.environ)
  if not variables.get('DISPLAY'):
    variables['MUJOCO_GL'] = variables.get('MUJOCO_GL') or 'egl'
  return not subprocess.run(
      [sys.executable, '-c', _DRAW], env=variables, check=False,
      capture_output=True).returncode
