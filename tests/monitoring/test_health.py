"""The health endpoint, over HTTP."""

import json
import socket
import urllib.error
import urllib.request

import pytest

from apex_tf.monitoring import health

# Past any proxy of the environment.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _get(server, path):
  try:
    with _OPENER.open(
        f'http://localhost:{server.server_port}{path}', timeout=10) as answer:
      return answer.status, json.loads(answer.read())
  except urllib.error.HTTPError as error:
    return error.code, error.read()


def test_alive_from_the_start_and_ready_once_at_work():
  server = health.HealthServer(0, 'actor_3')
  assert _get(server, '/healthz')[0] == 200
  assert _get(server, '/readyz')[0] == 503
  server.set_ready()
  for path in ('/healthz', '/readyz'):
    code, body = _get(server, path)
    assert code == 200
    assert (body['role'], body['ready']) == ('actor_3', True)
    assert body['seconds'] >= 0 and body['resident_megabytes'] > 1
  assert _get(server, '/')[0] == 404
  server.shutdown()
  server.server_close()


def test_a_client_that_says_nothing_holds_nobody_up():
  server = health.HealthServer(0, 'learner')
  with socket.create_connection(('localhost', server.server_port)):
    assert _get(server, '/healthz')[0] == 200
  server.shutdown()
  server.server_close()


def test_a_port_that_is_taken():
  with socket.socket() as taken:
    taken.bind(('', 0))
    taken.listen()
    with pytest.raises(OSError):
      health.HealthServer(taken.getsockname()[1], 'learner')
