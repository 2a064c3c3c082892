"""The prioritized table and its server."""

import math
from typing import List

from acme import specs
import reverb
from reverb import reverb_types

from apex_tf import config as config_lib
from apex_tf.replay import layout

# What a server's table has to have in common with that of the configuration;
# of the rate limiter the rule, and not the counts.
_TABLE_FIELDS = ('sampler_options', 'remover_options', 'max_size',
                 'max_times_sampled', 'signature')
_LIMITER_FIELDS = ('samples_per_insert', 'min_diff', 'max_diff',
                   'min_size_to_sample')


def make_tables(config: config_lib.ReplayConfig, spec: specs.EnvironmentSpec,
                limit_ratio: bool = True) -> List[reverb.Table]:
  """The central replay: sampled by priority^alpha, the oldest removed first.

  The table applies the exponent; what is written to it is |TD error|.

  With prioritized eviction the learner keeps it at its capacity (see
  `eviction.py`), and the table itself removes only what is more than 2 % above:
  the bound holds whatever the learner does, and no insert waits for it.

  Args:
    config: validated, since Reverb aborts the process on some bad numbers.
    spec: of one environment.
    limit_ratio: whether the table enforces `samples_per_insert`; a program in
      one thread keeps the ratio itself, since blocking would be forever.

  Returns:
    A list with the one table.
  """
  limiter: reverb.rate_limiters.RateLimiter
  if config.samples_per_insert and limit_ratio:
    limiter = reverb.rate_limiters.SampleToInsertRatio(
        samples_per_insert=config.samples_per_insert,
        min_size_to_sample=config.min_size,
        error_buffer=config.samples_per_insert_tolerance * config.min_size *
        config.samples_per_insert)
  else:
    limiter = reverb.rate_limiters.MinSize(config.min_size)
  slack = (math.ceil(config.capacity / 50)
           if config.eviction == 'prioritized' else 0)
  return [
      reverb.Table(
          name=layout.TABLE,
          sampler=reverb.selectors.Prioritized(config.priority_exponent),
          remover=reverb.selectors.Fifo(),
          max_size=config.capacity + slack,
          rate_limiter=limiter,
          signature=layout.make_signature(spec))
  ]


def difference(actual: reverb_types.TableInfo,
               expected: reverb_types.TableInfo) -> str:
  """How a server's table differs from that of the configuration, or ""."""
  pairs = [(name, getattr(actual, name), getattr(expected, name))
           for name in _TABLE_FIELDS]
  pairs += [(name, getattr(actual.rate_limiter_info, name),
             getattr(expected.rate_limiter_info, name))
            for name in _LIMITER_FIELDS]
  return '; '.join(
      f'{name} is {_in_line(found)}, but must be {_in_line(wanted)}'
      for name, found, wanted in pairs if found != wanted)


def _in_line(value: object) -> str:
  return ' '.join(str(value).split())
