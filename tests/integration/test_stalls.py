"""A run whose only actor stands still says so, and when it is over."""

import os
import re
import signal
import time

from tests.integration import programs


def test_a_stopped_actor_is_named_within_its_time(launch):
  program = launch('--config.replay.min_size=1000000',
                   '--config.replay.capacity=1000000')
  status_file = program.workdir / 'status.json'

  def stalls():
    return programs.read_json(status_file)['stalls']

  def wait_for_line(part):
    """The line with this in it, as it was when it was first seen."""
    found = []
    program.wait_until(lambda: found.extend(
        line for line in stalls() if part in line) or found)
    return found[0]

  program.wait_until(lambda: program.phase() and programs.read_json(
      status_file)['agent_steps'] > 0)
  actor = program.role_pid('actor_0')
  os.kill(actor, signal.SIGSTOP)
  try:
    stopped = time.monotonic()
    line = wait_for_line('actor_0 has not reported')
    # Not before, but for the time since the last report; and soon after, on a
    # machine with other things to do.
    assert 25 < time.monotonic() - stopped < 120
    # Whole seconds, when somebody first looked after 30.
    assert re.fullmatch(r'actor_0 has not reported for 3\d s', line)
    assert ' of 1.00M items' in wait_for_line('learner has waited')
    time.sleep(1.5)  # Time for a point in TensorBoard.
  finally:
    os.kill(actor, signal.SIGCONT)
  # The learner still waits: an actor cannot fill so much in this time.
  program.wait_until(lambda: stalls() and 'actor' not in ''.join(stalls()))
  program.terminate()
  code, out, err = program.wait()
  assert code == 0, err
  assert 'actor_0 has not reported for' in out or 'learner has waited' in out
  log = (program.workdir / 'logs' / 'learner' / '0').read_text()
  assert len(re.findall(
      r'Stall: actor_0 has not reported for 3\d s\.', log)) == 1
  assert log.count('Over: actor_0 has not reported for') == 1
  points = programs.read_points(program.workdir, 'learner')
  assert 2 in [value for _, value in points['stalls']]
