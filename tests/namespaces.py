"""Whether the kernel gives a process a network of its own, asked without
apex_tf."""

import subprocess
from typing import Optional


def kernel_gives_networks(user: Optional[int] = None) -> bool:
  """As util-linux' `unshare` finds it.

  Args:
    user: who asks, where it is not the user of this process.
  """
  return any(
      subprocess.run(
          ['unshare', *flags, '--net', 'true'], check=False, user=user,
          capture_output=True).returncode == 0
      for flags in ((), ('--map-root-user',)))
