"""The `tensorboard` command on a real run directory."""

import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest

from tests.integration import programs

# What a server raises that is not there yet, or has other things to do.
_UNANSWERED = (OSError, http.client.HTTPException)


@pytest.fixture(scope='module')
def address(finished_run, tmp_path_factory):
  """Where `tensorboard --logdir` serves the finished run."""
  with socket.socket() as finder:
    finder.bind(('127.0.0.1', 0))
    port = finder.getsockname()[1]
  log = tmp_path_factory.mktemp('tensorboard') / 'log'
  with open(log, 'w') as output:
    process = subprocess.Popen(
        [sys.executable, '-m', 'tensorboard.main', '--logdir',
         str(finished_run.workdir / 'tensorboard'), '--host', '127.0.0.1',
         '--port', str(port)], stdout=output, stderr=output)
  deadline = time.monotonic() + programs.PATIENCE_SECONDS
  while True:
    try:
      _fetch(f'http://127.0.0.1:{port}', '/')
      break
    except _UNANSWERED:
      assert process.poll() is None, log.read_text()
      assert time.monotonic() < deadline, log.read_text()
      time.sleep(0.2)
  yield f'http://127.0.0.1:{port}'
  process.kill()
  process.wait()


def _fetch(address, path):
  # Past any proxy of the environment.
  opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
  with opener.open(address + path, timeout=30) as response:
    assert response.status == 200
    return response.read().decode()


def _wait_for(fetch, condition):
  """TensorBoard reads event files little by little."""
  deadline = time.monotonic() + programs.PATIENCE_SECONDS
  result = None
  while True:
    try:
      result = fetch()
      if condition(result):
        return result
    except _UNANSWERED as error:
      result = error
    assert time.monotonic() < deadline, result
    time.sleep(0.2)


def test_page(address):
  page = _fetch(address, '/')
  assert '<title>TensorBoard</title>' in page


def test_every_role_is_a_run(address):
  roles = ['actor_0', 'actor_1', 'evaluator', 'learner', 'replay']
  _wait_for(lambda: json.loads(_fetch(address, '/data/runs')),
            lambda runs: sorted(runs) == roles)


def test_scalars(address):
  path = '/data/plugin/scalars/tags'
  tags = _wait_for(
      lambda: json.loads(_fetch(address, path)),
      lambda tags: 'learner/loss' in tags.get('learner', {}))
  assert 'learner/gradient_norm' in tags['learner']
  points = _wait_for(
      lambda: json.loads(_fetch(
          address,
          '/data/plugin/scalars/scalars?run=evaluator&tag='
          'evaluator%2Fevaluation_return_mean')),
      # Wall time, step, value: the last is of the last published version.
      lambda points: points and points[-1][1] == programs.FINISHED_STEPS)
  assert 8 <= points[-1][2] <= 500


def test_each_chart_of_the_layout_draws_something(address):
  layout = _wait_for(
      lambda: json.loads(_fetch(address, '/data/plugin/custom_scalars/layout')),
      lambda layout: 'category' in layout)
  charts = [chart['multiline']['tag'] for category in layout['category']
            for chart in category['chart']]
  assert len(charts) > 20
  # The page asks for each chart alone, and for each run, as this does.
  expressions = '|'.join(f'({tag})' for tags in charts for tag in tags)

  def fetch():
    found = {}
    for run in json.loads(_fetch(address, '/data/runs')):
      query = urllib.parse.urlencode({'run': run, 'tag': expressions})
      found.update(json.loads(_fetch(
          address, f'/data/plugin/custom_scalars/scalars?{query}'))[
              'tag_to_events'])
    return found

  wanted = {tag.rstrip('$') for tags in charts for tag in tags}
  points = _wait_for(fetch, lambda points: set(points) == wanted)
  assert all(points.values())
