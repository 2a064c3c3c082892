"""A run whose only actor stands still says so, and when it is over."""

import os
import signal
import time

from tests.integration import programs


def test_a_stopped_actor_is_named_within_its_time(launch):
  program = launch('--config.replay.min_size=1000000',
                   '--config.replay.capacity=1000000')
  status_file = program.workdir / 'status.json'

  def stalls():
    return programs.read_json(status_file)['stalls']

  program.wait_until(lambda: program.phase() and programs.read_json(
      status_file)['agent_steps'] > 0)
  actor = program.role_pid('actor_0')
  os.kill(actor, signal.SIGSTOP)
  try:
    stopped = time.monotonic()
    program.wait_until(
        lambda: any('actor_0' in line for line in stalls()))
    # 30 s, a second each of reporting and of writing, and a busy machine.
    # Not before; and soon after, on a machine with other things to do.
    assert 28 < time.monotonic() - stopped < 75
    assert 'actor_0 has not reported for 30 s' in ''.join(stalls())
    program.wait_until(
        lambda: any('learner has waited' in line for line in stalls()))
    assert ' of 1.00M items' in ' '.join(stalls())
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
  assert log.count('Stall: actor_0 has not reported for 30 s.') == 1
  assert log.count('Over: actor_0 has not reported for') == 1
  points = programs.read_points(program.workdir, 'learner')
  assert 2 in [value for _, value in points['stalls']]
