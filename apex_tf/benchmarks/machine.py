"""The machine and the versions that figures belong to."""

from importlib import metadata
import os
import platform
import time
from typing import Any, Dict

import numpy as np
import psutil

_DISTRIBUTIONS = ('tensorflow', 'dm-reverb', 'dm-launchpad', 'dm-acme',
                  'dm-sonnet', 'numpy', 'ale-py', 'gymnasium')


def describe() -> Dict[str, Any]:
  """For the JSON file."""
  return {
      'time': time.strftime('%Y-%m-%d %H:%M:%S %z'),
      'processor': _processor(),
      'cores': len(os.sched_getaffinity(0)),
      'memory_gb': round(psutil.virtual_memory().total / 1e9, 1),
      'load_before': os.getloadavg()[0],
      'system': platform.platform(),
      'python': platform.python_version(),
      'versions': {name: metadata.version(name) for name in _DISTRIBUTIONS},
      'product_milliseconds': _product_milliseconds(),
  }


def _processor() -> str:
  try:
    with open('/proc/cpuinfo', encoding='utf-8') as file:
      names = [line.split(':', 1)[1].strip() for line in file
               if line.startswith('model name')]
  except OSError:
    names = []
  return names[0] if names else platform.machine()


def _product_milliseconds() -> float:
  """CPU time of a fixed piece of work, the product of two matrices of 512 by
  512, the least of ten: to tell fast machines from slow ones."""
  matrix = np.ones((512, 512), np.float32)
  took = []
  for _ in range(10):
    start = time.process_time()
    matrix @ matrix  # pylint: disable=pointless-statement
    took.append(time.process_time() - start)
  return round(1e3 * min(took), 3)
