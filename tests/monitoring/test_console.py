"""The live status: in files, in pipes and on a real terminal."""

import fcntl
import io
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest

from apex_tf.monitoring import console
from apex_tf.monitoring import opening
from apex_tf.monitoring import run_directory as run_directory_lib
from apex_tf.monitoring import status as status_lib


def _without_seconds_of_starting(stream):
  """Lines; how long it has taken by then is the machine's."""
  return [re.sub(r'^starting \d+ s:', 'starting:', line)
          for line in stream.getvalue().splitlines()]


def test_lines_without_a_terminal(tmp_path, status, config):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  stream = io.StringIO()
  shown = console.Console(config, directory, stream)
  shown.update()
  directory.write_status(status)
  shown.update()  # At once: the phase has changed.
  status.learner_steps += 1
  directory.write_status(status)
  shown.update()  # Not yet.
  shown.close()
  shown.close()
  lines = _without_seconds_of_starting(stream)
  assert [row.split(',')[0] for row in lines] == [
      'starting: replay', *['CartPole-v1: learning 3 min 20 s'] * 2]
  assert '12,346 steps' in lines[2]
  assert all(t.name != 'console' for t in threading.enumerate())


def test_a_resumed_run_is_starting_until_its_learner_writes(
    tmp_path, status, config):
  path = str(tmp_path / 'run')
  first = opening.prepare(path, 'auto')
  first.write_config(config)
  first.write_status(status)
  directory = opening.prepare(path, 'auto', has_checkpoint=True)
  old = time.time() - 60
  os.utime(directory.status_file, (old, old))
  stream = io.StringIO()
  shown = console.Console(config, directory, stream)
  shown.update()
  directory.record_start('learner')
  shown.update(force=True)
  status.phase = status_lib.FILLING
  directory.write_status(status)
  shown.update()
  assert [row.rsplit(',', 1)[0] for row in _without_seconds_of_starting(stream)
         ][:2] == ['starting: replay, learner, 2 actors',
                   'starting: replay, learner up, 2 actors']
  assert stream.getvalue().splitlines()[2].startswith(
      'CartPole-v1: filling replay ')


def test_a_status_of_another_launch_is_not_shown(tmp_path, status, config):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  status.phase = status_lib.DONE
  directory.write_status(status)
  old = time.time() - 60
  os.utime(directory.status_file, (old, old))
  stream = io.StringIO()
  shown = console.Console(config, directory, stream, since=old + 30)
  shown.update()
  status.phase = status_lib.LEARNING
  directory.write_status(status)
  shown.update()
  first, second = stream.getvalue().splitlines()
  assert first.startswith('starting ')
  assert second.startswith('CartPole-v1: learning ')


def test_lines_come_periodically_from_a_thread(tmp_path, status, config):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  stream = io.StringIO()
  with console.Console(config, directory, stream, plain_period_seconds=0.1):
    for step in range(2):
      status.learner_steps = step + 1
      directory.write_status(status)
      deadline = time.monotonic() + 60
      while f'learner {step + 1} steps' not in stream.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stream_of_ascii_is_enough(tmp_path, status, config):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  directory.write_status(status)
  stream = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
  console.Console(config, directory, stream).update()
  stream.seek(0)
  assert 'evaluation 490.0 ? 8.2' in stream.read()


def test_a_reader_that_has_gone_away_does_not_stop_the_run(
    tmp_path, status, config):
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  directory.write_status(status)
  reading, writing = os.pipe()
  os.close(reading)
  stream = os.fdopen(writing, 'w')
  with console.Console(config, directory, stream):
    time.sleep(0.7)
  with pytest.raises(BrokenPipeError):
    stream.close()


_SHOW = """
import os, sys, time
from apex_tf import config
from apex_tf.monitoring import console, run_directory
directory = run_directory.RunDirectory(sys.argv[1])
with console.Console(config.Config(), directory):
  deadline = time.monotonic() + 60
  while not os.path.exists(sys.argv[2]) and time.monotonic() < deadline:
    time.sleep(0.05)
  status = directory.read_status()
  status.learner_steps = 54321
  directory.write_status(status)
"""


def test_panel_on_a_terminal(tmp_path, status):
  seen = tmp_path / 'seen'  # Once it was drawn again and again.
  directory = run_directory_lib.RunDirectory(str(tmp_path))
  directory.write_status(status)
  parent, child = pty.openpty()
  fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 80, 0, 0))
  environment = {
      name: value for name, value in os.environ.items()
      if name not in ('COLUMNS', 'LINES', 'NO_COLOR', 'FORCE_COLOR',
                      'TTY_COMPATIBLE', 'TTY_INTERACTIVE')}
  environment.update(TERM='xterm-256color', PYTHONIOENCODING='utf-8')
  process = subprocess.Popen(
      [sys.executable, '-c', _SHOW, str(tmp_path), str(seen)], stdin=child,
      stdout=child, stderr=child, env=environment,
      cwd=pathlib.Path(__file__).parents[2])
  os.close(child)
  output = b''
  try:
    while True:
      data = os.read(parent, 65536)
      if not data:
        break
      output += data
      if output.count('╭'.encode()) >= 4:
        seen.touch()
  except OSError:  # The other side is closed.
    pass
  finally:
    os.close(parent)
    assert process.wait(timeout=60) == 0
  text = output.decode()
  plain = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', text)
  assert '12,345 steps' in plain
  assert '54,321 steps' in plain.rsplit('╭', 1)[1]
  assert text.count('╭') >= 4  # Drawn over itself.
  assert '\x1b[1A' in text
  # Shown whenever the process might be killed, and at the end.
  assert text.rfind('\x1b[?25h') > text.rfind('\x1b[?25l')
