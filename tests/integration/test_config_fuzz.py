"""Every configuration is refused with a clear error, or runs.

`--hypothesis-profile=long` draws many, and others each time.
"""

import collections
import math
import os
import re

import hypothesis
import pytest

from apex_tf import config as config_lib
from apex_tf import settings
from tests.integration import config_draws
from tests.integration import config_runner

_EXAMPLES = 25
_REFUSAL = re.compile(r'(?P<path>\w+\.\w+) is (?P<rest>.+), but must be .+')
_FIELDS = {path for path, _, _ in settings.leaves(config_lib.Config())}

_is_long = hypothesis.settings.get_current_profile_name() == 'long'
_settings = hypothesis.settings(
    deadline=None, suppress_health_check=list(hypothesis.HealthCheck),
    **({} if _is_long else {'max_examples': _EXAMPLES, 'derandomize': True}))


@pytest.fixture(scope='module')
def runner():
  started = config_runner.Runner()
  yield started
  started.close()


def _check_refusal(message, values):
  """One line: a field that exists, the value it has, what is allowed."""
  match = _REFUSAL.fullmatch(message)
  assert match and match['path'] in _FIELDS, message
  section, name = match['path'].split('.')
  value = getattr(getattr(config_draws.make_config(values), section), name)
  said = [repr(one) for one in (
      value, *(value if isinstance(value, tuple) else ()))]
  # Perhaps with an aside: "mlp, which takes vectors, but must be ...".
  assert any(match['rest'] == one or match['rest'].startswith(f'{one}, ')
             for one in said), message


def _check_run(outcome, values):
  """Fifty steps, or as many as a limit of its own allows."""
  assert math.isfinite(outcome.loss)
  if outcome.text == 'max_learner_steps':
    assert outcome.learner_steps == config_runner.LEARNER_STEPS
  else:
    assert f'run.{outcome.text}' in values, outcome


def test_a_configuration_is_refused_or_runs(runner):
  counts = collections.Counter()

  @_settings
  @hypothesis.given(values=config_draws.overrides())
  def check(values):
    outcome = runner.run(values)
    counts[outcome.how] += 1
    counts['seconds'] += outcome.seconds
    hypothesis.note(config_draws.as_flags(values))
    assert outcome.how != 'failed', outcome.text
    if outcome.how == 'refused':
      _check_refusal(outcome.text, values)
    else:
      _check_run(outcome, values)

  check()
  print(f'{counts["ran"]} ran, {counts["refused"]} were refused, in '
        f'{counts["seconds"]:.0f} s')
  # Neither is all that there is.
  assert counts['ran'] >= 5 and counts['refused'] >= 5


def abort(unused_rng):
  """A network as bad as a bad number can be."""
  os.abort()


def test_what_ends_a_process_is_seen(runner):
  outcome = runner.run({
      **config_draws.BASE,
      'dqn.network': 'tests.integration.test_config_fuzz:abort'})
  assert outcome.how == 'failed' and 'exit code -6' in outcome.text
  assert 'in abort' in outcome.text  # By faulthandler: where.
  # The next one is not touched by it.
  outcome = runner.run({**config_draws.BASE, 'replay.capacity': 0})
  assert outcome.text == 'replay.capacity is 0, but must be at least 1'
