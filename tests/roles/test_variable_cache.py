"""The process between the learner and many actors."""

import contextlib
import threading

import portpicker
import pytest

from apex_tf import learner_client
from apex_tf import variables as variables_lib
from apex_tf.monitoring import opening
from apex_tf.roles import variable_cache


@contextlib.contextmanager
def _cache(config, directory, learner, stay):
  """One in a thread that ends with the block: the thread, what it serves."""
  address = f'localhost:{portpicker.pick_unused_port()}'
  stop, ready = threading.Event(), threading.Event()
  thread = threading.Thread(target=variable_cache.run_variable_cache, args=(
      config, opening.prepare(str(directory), 'auto'), 0, learner.address,
      address, stop), kwargs={'ready': ready.set, 'stay': stay}, daemon=True)
  thread.start()
  assert ready.wait(60.0)
  source = learner_client.variables_at(address)
  try:
    yield thread, lambda: source.get_variables([variables_lib.LEARNER_STEP])[0]
  finally:
    stop.set()
    thread.join()


@pytest.mark.parametrize('stay', [False, True])
def test_serves_the_newest_until_the_run_is_over(
    tmp_path, config, learner, wait_until, stay):
  with _cache(config, tmp_path / 'run', learner, stay) as (thread, step):
    assert step() == 0
    learner.publisher.publish(5)
    wait_until(lambda: step() == 5)
    learner.coordinator.finish()
    if stay:  # The learner may come back, with a higher limit.
      learner.publisher.publish(9)
      wait_until(lambda: step() == 9)
      assert not learner.is_free('variable_cache_0')
    else:
      thread.join(60.0)
      assert not thread.is_alive()
      assert learner.is_free('variable_cache_0')
