"""Variables from publisher to client, also over a real Courier server."""

import threading
import time

from acme import core
import courier
import numpy as np
import portpicker
import pytest
import tensorflow as tf

from apex_tf import variables as variables_lib


def _make_variables(value=0.0):
  return [tf.Variable(tf.fill([3, 2], value)), tf.Variable(value)]


def _assign(variables, value):
  for variable in variables:
    variable.assign(tf.fill(variable.shape, value))


def _values(variables):
  """All numbers in the variables; one number when they agree."""
  return {float(v) for variable in variables
          for v in np.ravel(variable.numpy())}


class _Source(core.VariableSource):
  """A publisher behind a gate."""

  def __init__(self, publisher):
    self.gate = threading.Event()
    self.gate.set()
    self.error = None
    self.calls = 0
    self._publisher = publisher

  def get_variables(self, names):
    self.calls += 1
    self.gate.wait()
    if self.error is not None:
      raise self.error
    return self._publisher.get_variables(names)


def _make(update_period=1, asynchronous=True):
  """Learner's variables, publisher, source, actor's variables, client."""
  learned = _make_variables(1.0)
  publisher = variables_lib.VariablePublisher(learned)
  source = _Source(publisher)
  used = _make_variables(-1.0)
  client = variables_lib.VariableClient(
      source, used, update_period, asynchronous)
  return learned, publisher, source, used, client


def test_publisher_holds_copies():
  learned = _make_variables(1.0)
  publisher = variables_lib.VariablePublisher(learned)
  assert publisher.published_version == 0
  version_0 = publisher.get_variables([variables_lib.POLICY])[0]
  for variable in learned:
    variable.assign_add(tf.ones(variable.shape))  # As an optimizer does.
  assert {float(v) for a in version_0 for v in a.ravel()} == {1.0}
  assert publisher.get_variables([variables_lib.POLICY])[0] is version_0
  publisher.publish(30)
  step, policy = publisher.get_variables(
      [variables_lib.LEARNER_STEP, variables_lib.POLICY])
  assert (publisher.published_version, int(step)) == (30, 30)
  assert [a.shape for a in policy] == [(3, 2), ()]
  assert {float(v) for a in policy for v in a.ravel()} == {2.0}
  assert {float(v) for a in version_0 for v in a.ravel()} == {1.0}


def test_publisher_names():
  publisher = variables_lib.VariablePublisher(_make_variables())
  assert publisher.get_variables([]) == []
  with pytest.raises(ValueError, match="'critic'.*policy, learner_step"):
    publisher.get_variables([variables_lib.POLICY, 'critic'])


def test_a_kept_version_can_be_published_again():
  variables = _make_variables(1.0)
  publisher = variables_lib.VariablePublisher(variables)
  publisher.publish(3)
  source = variables_lib.KeptVariables(publisher)
  assert source.get_variables([variables_lib.LEARNER_STEP]) == [3]
  _assign(variables, 2.0)
  publisher.publish(4)
  step, values = publisher.get_variables(
      [variables_lib.LEARNER_STEP, variables_lib.POLICY])
  assert step == 4 and values[0].flat[0] == 2.0
  publisher.publish_kept()
  step, values = publisher.get_variables(
      [variables_lib.LEARNER_STEP, variables_lib.POLICY])
  assert step == 3 and values[0].flat[0] == 1.0
  assert publisher.published_version == 3


def test_a_reader_never_sees_parts_of_two_versions():
  learned = _make_variables(0.0)
  publisher = variables_lib.VariablePublisher(learned)
  seen, torn, over = set(), [], threading.Event()

  def read():
    while not over.is_set():
      step, policy = publisher.get_variables(
          [variables_lib.LEARNER_STEP, variables_lib.POLICY])
      seen.add(int(step))
      if {float(v) for a in policy for v in a.ravel()} != {float(step)}:
        torn.append(int(step))

  readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
  for reader in readers:
    reader.start()
  step = 0
  deadline = time.monotonic() + 60.0
  while (step < 60 or len(seen) < 20) and time.monotonic() < deadline:
    step += 1
    _assign(learned, float(step))
    publisher.publish(step)
  over.set()
  for reader in readers:
    reader.join()
  assert not torn
  assert len(seen) >= 20


def test_synchronous_updates_come_every_period():
  learned, publisher, source, used, client = _make(3, asynchronous=False)
  assert client.learner_step == -1
  steps = []
  for call in range(1, 8):
    _assign(learned, float(call))
    publisher.publish(call)
    client.update()
    steps.append(client.learner_step)
    assert _values(used) == {-1.0 if call < 3 else float(steps[-1])}
  assert steps == [-1, -1, 3, 3, 3, 6, 6]
  # For the first version, and for the number of the next one and for itself.
  assert source.calls == 3


def test_a_version_that_is_there_is_not_sent_again():
  learned, publisher, source, used, client = _make(1, asynchronous=False)
  publisher.publish(5)
  client.update()
  asked = []
  source.get_variables = lambda names: (
      asked.append(list(names)) or publisher.get_variables(names))
  start = time.monotonic()
  for _ in range(3):
    client.update()
  assert asked == 3 * [[variables_lib.VERSION]]
  # It is known to be the newest.
  assert client.age_seconds <= time.monotonic() - start
  _assign(learned, 7.0)
  publisher.publish(6)
  client.update()
  assert asked[3:] == [[variables_lib.VERSION], [
      variables_lib.VERSION, variables_lib.LEARNER_STEP, variables_lib.POLICY]]
  assert client.learner_step == 6 and _values(used) == {7.0}


def test_the_same_step_of_another_learner_is_another_version():
  _, publisher, source, used, client = _make(1, asynchronous=False)
  publisher.publish(5)
  client.update()
  again = variables_lib.VariablePublisher(_make_variables(9.0))
  again.publish(5)
  source.get_variables = again.get_variables
  client.update()
  assert client.learner_step == 5 and _values(used) == {9.0}


def test_a_cache_asks_once_for_all():
  learned, publisher, source, _, _ = _make()
  cache = variables_lib.VariableCache(source)
  with pytest.raises(LookupError, match='no variables yet'):
    cache.get_variables([variables_lib.POLICY])
  cache.refresh()
  used = [_make_variables(-1.0) for _ in range(5)]
  clients = [variables_lib.VariableClient(cache, each, 1, False)
             for each in used]
  for version in (3, 4):
    _assign(learned, float(version))
    publisher.publish(version)
    calls = source.calls
    cache.refresh()
    for client, each in zip(clients, used):
      client.update()
      assert client.learner_step == version
      assert _values(each) == {float(version)}
    cache.refresh()  # It has that.
    assert source.calls == calls + 3


@pytest.mark.parametrize('asynchronous', [False, True])
def test_a_period_of_zero_fetches_only_when_asked(asynchronous):
  _, publisher, source, _, client = _make(0, asynchronous)
  client.update_now()
  publisher.publish(9)
  for _ in range(20):
    client.update()
  assert client.learner_step == 0 and source.calls == 1
  client.update_now()
  assert client.learner_step == 9


def test_asynchronous_updates_do_not_wait(wait_until):
  learned, publisher, source, used, client = _make(2)
  source.gate.clear()
  for _ in range(20):
    client.update()  # Would hang if it waited.
  wait_until(lambda: source.calls == 1)  # One request at a time.
  assert (client.learner_step, _values(used)) == (-1, {-1.0})
  _assign(learned, 5.0)
  publisher.publish(5)
  source.gate.set()

  def arrived():
    client.update()
    return client.learner_step == 5

  wait_until(arrived)
  assert _values(used) == {5.0}


def test_a_fetch_copies_only_inside_update(wait_until):
  """The policy must not change between an action and its observation."""
  _, _, source, used, client = _make(1)
  client.update()
  wait_until(lambda: source.calls == 1 and not any(
      t.is_alive() and t.name.endswith('(_fetch)')
      for t in threading.enumerate()))
  assert (client.learner_step, _values(used)) == (-1, {-1.0})
  client.update()
  assert (client.learner_step, _values(used)) == (0, {1.0})


def test_age_is_the_time_since_the_last_arrival(wait_until):
  _, _, source, _, client = _make(1, asynchronous=False)
  wait_until(lambda: client.age_seconds > 1.0)
  client.update()
  assert client.age_seconds < 1.0
  wait_until(lambda: client.age_seconds > 0.1)


def test_a_failing_source_leaves_the_policy_as_it_is(wait_until):
  learned, publisher, source, used, client = _make(1)
  client.update_now()
  assert client.learner_step == 0
  source.error = ConnectionError('nobody there')

  def failed_often():
    client.update()
    return source.calls >= 4

  wait_until(failed_often)
  assert (client.learner_step, _values(used)) == (0, {1.0})
  _assign(learned, 7.0)
  publisher.publish(7)
  source.error = None

  def arrived():
    client.update()
    return client.learner_step == 7

  wait_until(arrived)
  assert _values(used) == {7.0}


def test_update_now_raises_what_the_source_raises():
  _, _, source, _, client = _make()
  source.error = ConnectionError('nobody there')
  with pytest.raises(ConnectionError, match='nobody there'):
    client.update_now()


@pytest.mark.parametrize('asynchronous', [True, False])
def test_another_number_of_variables_is_an_error(asynchronous, wait_until):
  publisher = variables_lib.VariablePublisher(_make_variables())
  client = variables_lib.VariableClient(
      publisher, _make_variables()[:1], 1, asynchronous)
  with pytest.raises(ValueError, match='^2 variables were received, but the '
                     'policy has 1: both need the same configuration$'):
    wait_until(client.update)  # Which returns None for ever.


def test_another_shape_is_an_error():
  publisher = variables_lib.VariablePublisher(_make_variables())
  client = variables_lib.VariableClient(
      publisher, _make_variables()[::-1], 1, asynchronous=False)
  with pytest.raises(ValueError, match='(?i)shape'):
    client.update()


def test_update_and_wait_gets_the_newest():
  learned, publisher, source, used, client = _make(1)
  source.gate.clear()
  client.update()  # Under way when a newer version is published.
  _assign(learned, 9.0)
  publisher.publish(9)
  source.gate.set()
  assert client.update_and_wait(threading.Event())
  assert (client.learner_step, _values(used)) == (9, {9.0})


def test_update_and_wait_asks_until_it_is_answered(wait_until):
  _, _, source, _, client = _make()
  source.error = ConnectionError('not yet')
  results = []
  thread = threading.Thread(
      target=lambda: results.append(client.update_and_wait(threading.Event())),
      daemon=True)
  thread.start()
  wait_until(lambda: source.calls >= 2)
  source.error = None
  thread.join(60.0)
  assert results == [True]
  assert client.learner_step == 0


@pytest.mark.parametrize('hangs', [True, False])
def test_stop_ends_update_and_wait(wait_until, hangs):
  """While the source fails, and while its answer does not come."""
  _, _, source, used, client = _make()
  source.error = ConnectionError('never')
  if hangs:
    source.gate.clear()
  stop, results = threading.Event(), []
  thread = threading.Thread(
      target=lambda: results.append(client.update_and_wait(stop)), daemon=True)
  thread.start()
  wait_until(lambda: source.calls >= 1)
  stop.set()
  thread.join(10.0)
  assert results == [False]
  assert _values(used) == {-1.0}
  source.gate.set()


def _start_server(publisher, port):
  server = courier.Server(port=port)
  server.Bind('get_variables', publisher.get_variables)
  server.Start()
  return server


def test_through_courier(wait_until):
  learned = _make_variables(3.0)
  publisher = variables_lib.VariablePublisher(learned)
  port = portpicker.pick_unused_port()
  server = _start_server(publisher, port)
  used = _make_variables(-1.0)
  client = variables_lib.VariableClient(
      courier.Client(f'localhost:{port}', call_timeout=10.0), used, 1)
  assert client.update_and_wait(threading.Event())
  assert (client.learner_step, _values(used)) == (0, {3.0})
  _assign(learned, 4.0)
  publisher.publish(12)

  def arrived():
    client.update()
    return client.learner_step == 12

  wait_until(arrived)
  assert _values(used) == {4.0}
  server.Stop()


def test_a_courier_server_that_comes_late(wait_until):
  """Nothing raises or changes before; afterwards variables arrive."""
  port = portpicker.pick_unused_port()
  used = _make_variables(-1.0)
  client = variables_lib.VariableClient(
      courier.Client(f'localhost:{port}', call_timeout=0.5), used, 1)
  end = time.monotonic() + 1.5  # Time for more than one failed request.

  def patient():
    client.update()
    return time.monotonic() > end

  wait_until(patient)
  assert (client.learner_step, _values(used)) == (-1, {-1.0})
  server = _start_server(
      variables_lib.VariablePublisher(_make_variables(6.0)), port)

  def arrived():
    client.update()
    return client.learner_step == 0

  wait_until(arrived)
  assert _values(used) == {6.0}
  server.Stop()
