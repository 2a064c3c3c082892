"""Studies as commands: a tiny grid, killed and run again; what is refused."""

import csv
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from apex_tf.experiments import study_directory
from tests.experiments import finished_cells
from tests.integration import programs

# So many that a study is killed before its last cell has made them.
_STEPS = 3000


def _command(workdir, *flags):
  return [
      sys.executable, '-m', 'launch.study',
      f'--config={programs.ROOT}/configs/cartpole.py', f'--workdir={workdir}',
      *programs.SMALL, *flags]


def _grid(workdir, *flags):
  """Two arms, one seed."""
  return _command(
      workdir, '--study=n_step', '--values=1,3', '--seeds=1',
      f'--config.run.max_learner_steps={_STEPS}',
      '--config.replay.samples_per_insert_tolerance=10', *flags)


def _run(command):
  return subprocess.run(
      command, cwd=programs.ROOT, env=programs.shell_environment(),
      capture_output=True, text=True, check=False,
      timeout=programs.PATIENCE_SECONDS)


def _learner_steps(run):
  try:
    return json.loads((run / 'status.json').read_text())['learner_steps']
  except (FileNotFoundError, KeyError):
    return 0


def _launchers(workdir):
  return [process for process in psutil.process_iter(['cmdline', 'status'])
          if any(str(workdir) in part for part in process.info['cmdline'] or ())
          and process.info['status'] != psutil.STATUS_ZOMBIE]


def _start(workdir, output_path):
  """A study in the background, whose output is in a file at once."""
  with open(output_path, 'w', encoding='utf-8') as output:
    return subprocess.Popen(
        _grid(workdir), cwd=programs.ROOT, stdout=output,
        stderr=subprocess.STDOUT,
        env={**programs.shell_environment(), 'PYTHONUNBUFFERED': '1'})


def test_a_killed_study_goes_on(tmp_path, wait_until):
  workdir = tmp_path / 'study'
  first, second = workdir / 'cells/n_1/0', workdir / 'cells/n_3/0'
  study = _start(workdir, tmp_path / 'output')
  wait_until(lambda: _learner_steps(second) > 0 or study.poll() is not None,
             programs.PATIENCE_SECONDS)
  assert study.poll() is None, (tmp_path / 'output').read_text()
  finished_at = os.stat(first / 'summary.json').st_mtime_ns
  study.kill()
  study.wait()
  # At once: the cell's processes are told, and leave a checkpoint meanwhile.
  result = _run(_grid(workdir))
  assert result.returncode == 0, result.stderr
  assert not _launchers(workdir)
  assert '1 of 2 cells are finished already' in result.stdout
  assert 'Cell 2 of 2: n = 3, seed 0' in result.stdout
  assert os.stat(first / 'summary.json').st_mtime_ns == finished_at
  log = (workdir / 'cells/n_3/0.log').read_text()
  assert log.count('-m launch.train') == 2
  assert f'Resuming {second} from learner step' in log
  with open(workdir / 'n_step.csv', encoding='utf-8') as file:
    rows = list(csv.DictReader(file))
  assert [row['arm'] for row in rows] == ['n_1', 'n_3']
  for row in rows:
    assert row['stop_reason'] == 'max_learner_steps'
    assert int(row['learner_steps']) >= _STEPS
    assert float(row['agent_steps_per_second']) > 0
  assert [row['times_resumed'] for row in rows] == ['0', '1']
  table = (workdir / 'n_step.md').read_text()
  assert '--study=n_step' in table and 'Not finished' not in table
  assert (workdir / 'n_step.png').stat().st_size > 10_000
  # What a colleague is sent.
  report = subprocess.run(
      [sys.executable, '-m', 'launch.report', str(workdir)],
      cwd=programs.ROOT, env=programs.shell_environment(), capture_output=True,
      text=True, check=False, timeout=programs.PATIENCE_SECONDS)
  assert report.returncode == 0, report.stderr
  with open(workdir / 'report/report.csv', encoding='utf-8') as file:
    assert [(row['run'], row['final_return_mean'])
            for row in csv.DictReader(file)] == [
                (f'study/{row["arm"]}/{row["seed"]}', row['final_return_mean'])
                for row in rows]
  page = (workdir / 'report/report.html').read_text()
  assert 'n = 1' in page and 'n = 3' in page
  # Once more: nothing is left to run, and the results are written anew.
  (workdir / 'n_step.md').unlink()
  written_at = [os.stat(run / 'summary.json').st_mtime_ns
                for run in (first, second)]
  result = _run(_grid(workdir))
  assert result.returncode == 0, result.stderr
  assert '2 of 2 cells are finished already' in result.stdout
  assert 'Cell ' not in result.stdout
  assert (workdir / 'n_step.md').read_text() == table
  assert [os.stat(run / 'summary.json').st_mtime_ns
          for run in (first, second)] == written_at


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_study_and_its_cell(tmp_path, wait_until, number):
  workdir, output = tmp_path / 'study', tmp_path / 'output'
  study = _start(workdir, output)
  # As early as a cell has a process.
  wait_until(lambda: 'Cell 1 of 2' in output.read_text() or
             study.poll() is not None, programs.PATIENCE_SECONDS)
  study.send_signal(number)
  assert study.wait(programs.PATIENCE_SECONDS) == 0
  said = output.read_text()
  assert 'Interrupted; the same command goes on with it.' in said
  assert 'Cell 2 of 2' not in said
  assert not _launchers(workdir)


def test_a_second_ctrl_c_kills_the_cell(tmp_path, wait_until):
  workdir, output = tmp_path / 'study', tmp_path / 'output'
  study = _start(workdir, output)
  wait_until(lambda: _learner_steps(workdir / 'cells/n_1/0') > 0 or
             study.poll() is not None, programs.PATIENCE_SECONDS)
  # What a cell's processes would wait for at the first one.
  for process in _launchers(workdir / 'cells'):
    process.suspend()
  study.send_signal(signal.SIGINT)
  with pytest.raises(subprocess.TimeoutExpired):
    study.wait(5)
  study.send_signal(signal.SIGINT)
  assert study.wait(programs.PATIENCE_SECONDS) == 0
  assert 'Interrupted' in output.read_text()
  wait_until(lambda: not _launchers(workdir), programs.PATIENCE_SECONDS)


def test_cells_that_fail_are_named(tmp_path):
  workdir = tmp_path / 'study'
  with socket.create_server(('', 0)) as taken:
    port = taken.getsockname()[1]
    result = _run(_grid(workdir, f'--config.replay.port={port}'))
  assert result.returncode == 1
  for line, n in zip(result.stderr.splitlines(), (1, 3), strict=True):
    assert line.startswith(f'n = {n}, seed 0: exit code 2: ')
    assert f'replay.port is {port}, but must be a free port' in line
  assert 'Cell 2 of 2: n = 3, seed 0' in result.stdout
  assert 'No cell is finished yet' in result.stdout


def test_a_cell_that_fails_keeps_no_other_from_the_results(tmp_path):
  directory = study_directory.StudyDirectory(str(tmp_path / 'study'))
  with socket.create_server(('', 0)) as taken:
    port = taken.getsockname()[1]
    command = _grid(directory.path, f'--config.replay.port={port}')
    assert _run(command).returncode == 1
    cell, _ = directory.cells(directory.read())
    finished_cells.finish(cell, [(0, 9.0), (_STEPS, 60.0)])
    result = _run(command)
  assert result.returncode == 1
  assert '1 of 2 cells are finished already' in result.stdout
  line, = result.stderr.splitlines()
  assert line.startswith('n = 3, seed 0: exit code 2: ')
  table = pathlib.Path(directory.path, 'n_step.md').read_text()
  assert '60.0' in table and 'Not finished: n = 3, seed 0.' in table


_CASES = [
    (['--study=actor'], "study is 'actor', but must be one of actors, "),
    (['--study=actors', '--seeds=0'], 'seeds is 0, but must be at least 1'),
    (['--study=actors', '--values='], "values is '', but must have numbers"),
    (['--study=epsilons', '--values=0.1,2'],
     "values has '2', but must have numbers from 0 to 1"),
    (['--study=capacity', '--values=10'],
     "values has '10', but must have whole numbers from 100 to"),
    (['--study=actors', '--values=20001',
      '--config.actor.num_actors=1'],
     'actor.environments_per_actor is 20001, but must be at most 1024 (in the '
     "arm '20001 actors')"),
    (['--study=capacity', '--config.replay.samples_per_insert=0.0'],
     'replay.samples_per_insert is 0.0, but must be greater than 0'),
    (['--study=actors', '--config.actor.num_actors=0'],
     'actor.num_actors is 0, but must be at least 1'),
    (['--study=capacity', '--config.replay.capacity=0'],
     'replay.capacity is 0, but must be at least 1'),
    (['--study=n_step', '--config.run.max_learner_steps=0'],
     'run.max_learner_steps is 0, but must be at least 1'),
    (['--study=n_step', '--config.run.max_minutes=5'],
     'run.max_minutes is 5.0, but must not be given in the study n_step'),
    (['--study=capacity', '--values=1000000000'],
     'replay.capacity is 1000000000, but must be'),
]


def test_refused_in_one_line(tmp_path):
  commands = [
      _command('study', '--config.run.max_learner_steps=10', *flags)[3:]
      for flags, _ in _CASES]
  process = subprocess.run(
      [sys.executable, programs.ROOT / 'tests/launch/many_command_lines.py',
       'study'], input=json.dumps(commands), cwd=tmp_path,
      env={**programs.shell_environment(), 'PYTHONPATH': str(programs.ROOT)},
      capture_output=True, text=True, check=False,
      timeout=programs.PATIENCE_SECONDS)
  assert process.returncode == 0, process.stderr
  results = json.loads(process.stdout)
  for (flags, said), (code, out, err) in zip(_CASES, results, strict=True):
    assert (code, out) == (2, ''), (flags, err)
    assert err.startswith(f'study.py: {said}'), err
    assert err.count('\n') == 1, err
  assert not list(tmp_path.iterdir())


def test_another_studys_cells_are_refused(tmp_path):
  workdir = tmp_path / 'study'
  workdir.mkdir()
  (workdir / 'study.json').write_text(json.dumps(
      {'study': 'epsilons', 'values': ['0.1'], 'seeds': 1, 'config': {}}))
  before = sorted(pathlib.Path(workdir).rglob('*'))
  result = _run(_grid(workdir))
  assert result.returncode == 2
  assert result.stderr == (
      f"study.py: workdir is '{workdir}', but must be a directory of the study "
      'n_step, or a new one; it holds the study epsilons\n')
  assert sorted(pathlib.Path(workdir).rglob('*')) == before
