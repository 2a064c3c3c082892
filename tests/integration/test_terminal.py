"""The training command on a real terminal."""

import os
import pty
import select
import subprocess
import sys

from tests.integration import programs


def test_panel_and_final_lines_on_a_terminal(tmp_path):
  workdir = tmp_path / 'run'
  ours, theirs = pty.openpty()
  process = subprocess.Popen(
      [sys.executable, '-m', 'launch.train', '--config=configs/cartpole.py',
       f'--workdir={workdir}', *programs.SMALL,
       '--config.run.max_learner_steps=20'],
      cwd=programs.ROOT, stdin=theirs, stdout=theirs, stderr=theirs,
      start_new_session=True,
      env={**os.environ, 'TERM': 'xterm-256color', 'COLUMNS': '80',
           'PYTHONIOENCODING': 'utf-8'})
  os.close(theirs)
  screen = b''
  try:
    while True:
      assert select.select([ours], [], [], programs.PATIENCE_SECONDS)[0]
      try:
        data = os.read(ours, 4096)
      except OSError:  # The other side is closed.
        break
      screen += data
    assert process.wait(timeout=programs.PATIENCE_SECONDS) == 0
  finally:
    process.kill()
    os.close(ours)
  text = screen.decode()
  assert 'Ape-X DQN · CartPole-v1' in text
  assert '20 of 20 steps' in text
  # After the panel, not into it or into the launcher's log.
  lines = text.rstrip().splitlines()
  assert 'final return' in lines[-3] and 'max_learner_steps' in lines[-3]
  assert lines[-2].startswith('Learning curve:')
  assert lines[-1].startswith('TensorBoard:')
