"""`launch.evaluate` on real runs: what it plays, says and refuses."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import gymnasium
import imageio.v2 as imageio
import numpy as np
import pytest

from apex_tf import builder as builder_lib
from apex_tf import evaluation as evaluation_lib
from apex_tf import saved_policy
from apex_tf import serial as serial_lib
from apex_tf.monitoring import opening
from apex_tf.monitoring import run_directory
from apex_tf.monitoring import summary as summary_lib
from configs import cartpole

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_ENVIRONMENT = {**os.environ, 'PYTHONPATH': str(_ROOT)}
_EPISODES = 6


def _config():
  config = cartpole.get_config()
  config.dqn.hidden_sizes = (16,)
  config.dqn.dueling_hidden_size = 16
  config.replay.min_size = 100
  config.replay.capacity = 1000
  config.learner.batch_size = 8
  config.evaluator.episodes = _EPISODES
  config.run.seed = 4
  return config


class _Run:
  """A short serial run, and the learner as it was at the end."""

  def __init__(self, path):
    config = _config()
    self.directory = opening.prepare(str(path), 'auto')
    self.directory.write_config(config)
    serial = serial_lib.SerialRun(config, self.directory)
    while serial.learner.num_steps < 60:
      serial.act()
      serial.learn()
    serial.learner.publish_last(serial.coordinator.reached_target)
    serial.close()
    self.learner = serial.learner
    self.workdir = pathlib.Path(path)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return _Run(tmp_path_factory.mktemp('evaluated') / 'run')


def _evaluate(directory, *arguments, **environment):
  result = subprocess.run(
      [sys.executable, '-m', 'launch.evaluate', *arguments], cwd=directory,
      env={**_ENVIRONMENT, **environment}, capture_output=True, text=True,
      check=False, timeout=300)
  return result.returncode, result.stdout, result.stderr


def _read(run):
  return json.loads((run.workdir / 'evaluation.json').read_text(),
                    parse_constant=lambda name: pytest.fail(name))


def test_restored_policy_acts_as_the_learners_last(run):
  builder = builder_lib.Builder(run.directory.read_config())
  policy = saved_policy.SavedPolicy(run.directory.policy_file)
  restored = builder.agent.make_evaluation_policy(500, seed=1)
  last = builder.agent.make_evaluation_policy(500, seed=2)
  parts = [(restored, policy), (last, run.learner)]
  for played, source in parts:
    client = builder.make_variable_client(source, played, asynchronous=False)
    client.update_now()
    assert client.learner_step == run.learner.num_steps >= 60
  for one, other in zip(restored.variables, last.variables):
    assert one.numpy().tobytes() == other.numpy().tobytes()
  observation = np.random.default_rng(0).normal(
      size=(500, 1, 4)).astype(np.float32)
  one, other = restored(observation), last(observation)
  np.testing.assert_array_equal(one.action, other.action)
  np.testing.assert_array_equal(one.action_value, other.action_value)


def test_command(run, tmp_path):
  code, out, err = _evaluate(tmp_path, f'--workdir={run.workdir}')
  assert (code, err) == (0, '')
  first, second = out.splitlines()
  assert second == f'Evaluation: {run.workdir}/evaluation.json'
  result = _read(run)
  assert result['task'] == 'CartPole-v1' and result['agent'] == 'dqn'
  assert result['learner_step'] == run.learner.num_steps
  assert result['episodes'] == len(result['returns']) == _EPISODES
  assert result['mean'] == pytest.approx(np.mean(result['returns']))
  assert result['std'] == pytest.approx(np.std(result['returns']))
  assert result['min'] == min(result['returns'])
  assert result['max'] == max(result['returns'])
  assert result['human_normalized_score'] is None
  assert result['broken_episodes'] == 0
  assert result['video'] is None
  assert result['seed'] == 5  # The run's is 4.
  assert 0 < result['seconds'] < 300
  assert result['versions'] == summary_lib.versions()
  said = re.fullmatch(
      r'CartPole-v1: return (\S+) ± (\S+) over 6 episodes \(policy of learner '
      rf'step {run.learner.num_steps}\)', first)
  assert said, first
  assert float(said[1]) == pytest.approx(result['mean'], abs=0.051)
  assert float(said[2]) == pytest.approx(result['std'], abs=0.051)
  assert os.listdir(tmp_path) == []


def test_command_with_a_video(run, tmp_path):
  code, out, err = _evaluate(
      tmp_path, f'--workdir={run.workdir}', '--episodes=1', '--seed=9',
      '--video=film.mp4')
  assert (code, err) == (0, '')
  assert out.splitlines()[1:] == [
      f'Video:      {tmp_path}/film.mp4',
      f'Evaluation: {run.workdir}/evaluation.json']
  result = _read(run)
  assert result['video'] == f'{tmp_path}/film.mp4'
  assert result['seed'] == 9 and result['episodes'] == 1
  with imageio.get_reader(tmp_path / 'film.mp4') as reader:
    # A reward of 1 for each step, and the picture before the first.
    assert sum(1 for _ in reader) == result['mean'] + 1
  assert os.listdir(tmp_path) == ['film.mp4']


def _always_right(directory):
  """The run's policy with zeros for variables, but a liking for action 1."""
  values = [np.zeros_like(value) for value in saved_policy.SavedPolicy(
      directory.policy_file).get_variables(['policy'])[0]]
  (advantages,) = [value for value in values if value.shape == (2,)]
  advantages[:] = 0, 1
  return values


def test_returns_are_those_of_the_environment(run, tmp_path):
  """Against gymnasium alone, with a policy that needs no network."""
  directory = run_directory.RunDirectory(str(tmp_path))
  saved_policy.write(
      directory.policy_file, 77, _always_right(run.directory))
  expected = []
  # As the builder seeds the evaluator's environments: one after the other.
  first_seed = int(
      np.random.SeedSequence((21, 2)).generate_state(1)[0] % 2**31)
  for index in range(8):
    environment = gymnasium.make('CartPole-v1')
    environment.reset(seed=first_seed + index)
    total, ended = 0.0, False
    while not ended:
      _, reward, ended, _, _ = environment.step(1)
      total += reward
    expected.append(total)
  evaluation = evaluation_lib.SavedEvaluation(_config(), directory, 8, 21)
  result = evaluation.run()
  evaluation.close()
  assert result['learner_step'] == 77
  assert sorted(result['returns']) == sorted(expected)
  assert len(set(expected)) > 1


def test_the_runs_limit_of_time_is_not_kept(run):
  config = _config()
  config.evaluator.max_seconds = 1e-9
  evaluation = evaluation_lib.SavedEvaluation(config, run.directory, 5, 0)
  assert evaluation.run()['episodes'] == 5
  evaluation.close()


def test_final_line():
  result = {'task': 'Atari Pong', 'mean': 18.0, 'std': 1.0, 'episodes': 1,
            'learner_step': 7, 'human_normalized_score': 110.2,
            'broken_episodes': 0}
  assert evaluation_lib.final_line(result) == (
      'Atari Pong: return 18.0 ± 1.0 (110% of human) over 1 episode (policy of '
      'learner step 7)')
  result.update(mean=None, std=None, human_normalized_score=None,
                broken_episodes=3)
  assert evaluation_lib.final_line(result) == (
      'Atari Pong: return nan ± nan over 1 episode (policy of learner step 7); '
      '3 episodes broke off')


# Name: what is given, in a folder of runs, and what the line says.
_CASES = {
    'no workdir': ([], 'workdir is not given, but must be the path of a run'),
    'missing workdir': (
        ['--workdir=nowhere'],
        "workdir is 'nowhere', but must be a directory that exists"),
    'a file': (
        ['--workdir=run/config.json'],
        "workdir is 'run/config.json', but must be a directory that exists"),
    'no run': (
        ['--workdir=empty'],
        "workdir is 'empty', but must be the directory of a run: it has no "
        'config.json'),
    'no policy': (
        ['--workdir=young'],
        "workdir is 'young', which holds a run that has not saved a policy "
        'yet'),
    'foreign configuration': (
        ['--workdir=foreign'],
        '{directory}/foreign/config.json is not the configuration of a run of '
        'this version: agent.n_stepp is not a field'),
    'broken configuration': (
        ['--workdir=broken'],
        '{directory}/broken/config.json is not the configuration of a run of '
        'this version: '),
    'unknown task': (
        ['--workdir=unknown'],
        "environment.id is 'CartPole-v77', but must be an id that gymnasium "
        'knows'),
    'truncated policy': (
        ['--workdir=truncated'],
        '{directory}/truncated/policy.npz is damaged, or is not the saved '
        'policy of a run'),
    'policy of another configuration': (
        ['--workdir=other'],
        '{directory}/other/policy.npz does not fit the policy of the '
        'configuration beside it: '),
    'no episode': (
        ['--workdir=run', '--episodes=0'],
        'episodes is 0, but must be at least 1'),
    'no number': (
        ['--workdir=run', '--episodes=many'], 'flag --episodes=many'),
    'negative seed': (
        ['--workdir=run', '--seed=-1'],
        'seed is -1, but must be from 0 to 2147483647'),
    'another format': (
        ['--workdir=run', '--video=film.avi'],
        "video is 'film.avi', but must be a path that ends in .mp4 or .gif"),
    'video nowhere': (
        ['--workdir=run', '--video=nowhere/film.mp4'],
        "video is 'nowhere/film.mp4', but must be in a directory that exists"),
    'stray argument': (
        ['--workdir=run', 'film.mp4'], "'film.mp4' is not a flag"),
}


@pytest.fixture(scope='module')
def refused(run, tmp_path_factory):
  """Results of all command lines by name, all run in one directory."""
  directory = tmp_path_factory.mktemp('refused')
  for name in ('run', 'young', 'foreign', 'broken', 'unknown', 'truncated',
               'other'):
    shutil.copytree(run.workdir, directory / name)
  (directory / 'empty').mkdir()
  (directory / 'young' / 'policy.npz').unlink()
  (directory / 'foreign' / 'config.json').write_text(
      '{"agent": {"n_stepp": 3}}')
  (directory / 'broken' / 'config.json').write_text('{"agent": {"n_s')
  config = _config()
  config.environment.id = 'CartPole-v77'
  run_directory.RunDirectory(str(directory / 'unknown')).write_config(config)
  policy = directory / 'truncated' / 'policy.npz'
  policy.write_bytes(policy.read_bytes()[:-100])
  config = _config()
  config.dqn.hidden_sizes = (17,)
  run_directory.RunDirectory(str(directory / 'other')).write_config(config)
  before = _files(directory)
  process = subprocess.run(
      [sys.executable, _ROOT / 'tests/launch/many_command_lines.py',
       'evaluate'],
      input=json.dumps([arguments for arguments, _ in _CASES.values()]),
      cwd=directory, env={**_ENVIRONMENT, 'TF_CPP_MIN_LOG_LEVEL': '2'},
      capture_output=True, text=True, check=False, timeout=600)
  assert process.returncode == 0, process.stderr
  assert _files(directory) == before
  return directory, dict(zip(_CASES, json.loads(process.stdout)))


def _files(directory):
  return {str(path): path.stat().st_mtime_ns
          for path in directory.rglob('*') if path.is_file()}


@pytest.mark.parametrize('name', _CASES)
def test_refused(refused, name):
  directory, results = refused
  code, out, err = results[name]
  said = _CASES[name][1].replace('{directory}', str(directory))
  assert err.startswith(f'evaluate.py: {said}'), err
  assert (code, out, err.count('\n')) == (2, '', 1)


def _hide(tmp_path, name):
  """A folder on the path in which a package fails to import."""
  (tmp_path / 'hidden').mkdir()
  (tmp_path / 'hidden' / f'{name}.py').write_text(
      f'raise ImportError("No module named {name}")\n')
  return f'{tmp_path}/hidden:{_ROOT}'


def test_without_pygame(run, tmp_path):
  code, out, err = _evaluate(
      tmp_path, f'--workdir={run.workdir}', '--video=film.mp4',
      PYTHONPATH=_hide(tmp_path, 'pygame'))
  assert (code, out, err.count('\n')) == (2, '', 1), err
  assert err.startswith(
      "evaluate.py: video is 'film.mp4', but must not be given here: "
      'CartPole-v1 cannot be rendered: pygame is not installed'), err
  assert err.endswith('(pip install apex_tf[video])\n')
  assert os.listdir(tmp_path) == ['hidden']


# The command with a CartPole whose simulator breaks in the third step: of each
# episode, or of each second one from the first; or otherwise. It counts, too.
_BROKEN_CARTPOLE = """
import atexit
import os
import signal
import sys
import gymnasium
from gymnasium.envs.classic_control import cartpole

class Broken(cartpole.CartPoleEnv):
  broken = episode = steps = 0

  def reset(self, *, seed=None, options=None):
    self.episode += 1
    self.steps = 0
    return super().reset(seed=seed, options=options)

  def step(self, action):
    self.steps += 1
    result = super().step(action)
    if self.steps == 3 and (self.episode - 1) % PERIOD == 0:
      Broken.broken += 1
      FAULT
    return result

gymnasium.registry['CartPole-v1'].entry_point = Broken
atexit.register(lambda: print(Broken.broken, file=sys.stderr))
sys.argv[0] = 'evaluate.py'
from launch import command_line, evaluate
command_line.run(evaluate.main)
"""


_NAN_REWARD = "return (result[0], float('nan'), *result[2:])"


def _evaluate_broken(run, period, fault=_NAN_REWARD, *flags):
  command = _BROKEN_CARTPOLE.replace('PERIOD', str(period)).replace(
      'FAULT', fault)
  result = subprocess.run(
      [sys.executable, '-c', command, f'--workdir={run.workdir}',
       '--episodes=2', *flags], cwd=run.workdir,
      env={**_ENVIRONMENT, 'TF_CPP_MIN_LOG_LEVEL': '2'}, capture_output=True,
      text=True, check=False, timeout=300)
  return result.returncode, result.stdout, result.stderr.splitlines()


def test_a_result_that_cannot_be_written_is_said(run, tmp_path):
  workdir = tmp_path / 'run'
  shutil.copytree(run.workdir, workdir)
  (workdir / 'evaluation.json').unlink(missing_ok=True)
  (workdir / 'evaluation.json').mkdir()
  code, out, err = _evaluate(tmp_path, f'--workdir={workdir}', '--episodes=1')
  assert code == 1
  assert re.fullmatch(r'CartPole-v1: return .* over 1 episode .*\n', out), out
  assert err.startswith(f'{workdir}/evaluation.json could not be written: ')
  assert err.count('\n') == 1


def test_a_simulator_that_always_breaks(run):
  before = _files(run.workdir)
  code, out, err = _evaluate_broken(run, 1)
  assert (code, out) == (1, '')
  # The warnings are seen, and then one line says how it ended.
  assert len(err) == 8, err
  for number, line in zip((1, 2, 4, 8, 16), err):
    assert 'because its reward is nan; broken episodes' in line
    assert line.endswith(f' {number}')
  assert 'CartPole-v1: the evaluation is given up' in err[5]
  assert err[6] == (
      'CartPole-v1: no result, because no episode ended and 22 episodes broke '
      'off')
  assert err[7] == '22'
  assert _files(run.workdir) == before


def test_a_simulator_that_breaks_now_and_then(run):
  code, out, err = _evaluate_broken(run, 2)
  assert code == 0
  result = _read(run)
  assert result['episodes'] == 2
  # The first of each of the two environments, at least.
  assert result['broken_episodes'] == int(err[-1]) >= 2
  assert out.splitlines()[0].endswith(
      f'over 2 episodes (policy of learner step {run.learner.num_steps}); '
      f'{err[-1]} episodes broke off')


@pytest.mark.parametrize('fault, said', [
    ('os.kill(os.getpid(), signal.SIGINT)', 'interrupted'),
    ('raise RuntimeError("the simulator is gone")', 'the simulator is gone')])
def test_nothing_is_left_of_what_ends_early(run, tmp_path, fault, said):
  before = _files(run.workdir)
  code, out, err = _evaluate_broken(
      run, 1, fault, f'--video={tmp_path}/film.mp4')
  assert (code, out) == (1, '')
  assert err[0] == said and len(err) == 2, err
  assert _files(run.workdir) == before
  assert os.listdir(tmp_path) == []


# Ctrl-C as it comes while something is imported or made.
_INTERRUPTED = """
import sys
MODULE = sys.argv.pop(1)

class Finder:
  def find_spec(self, name, path=None, target=None):
    if name == MODULE:
      raise KeyboardInterrupt

sys.meta_path.insert(0, Finder())
sys.argv[0] = 'evaluate.py'
from launch import command_line, evaluate
command_line.run(evaluate.main)
"""


@pytest.mark.parametrize('module', [
    'apex_tf.evaluation', 'tensorflow.python', 'imageio_ffmpeg', 'pygame'])
def test_interrupted_before_play_begins(run, tmp_path, module):
  result = subprocess.run(
      [sys.executable, '-c', _INTERRUPTED, module, f'--workdir={run.workdir}',
       '--video=film.mp4'], cwd=tmp_path,
      env={**_ENVIRONMENT, 'TF_CPP_MIN_LOG_LEVEL': '3'}, capture_output=True,
      text=True, check=False, timeout=300)
  assert (result.returncode, result.stdout, result.stderr) == (
      1, '', 'interrupted\n')
  assert os.listdir(tmp_path) == []


def test_refusals_need_no_tensorflow():
  """Which takes seconds to import."""
  found = subprocess.run(
      [sys.executable, '-c',
       'import sys; from launch import evaluate; '
       'print({"tensorflow", "reverb"} & set(sys.modules))'],
      cwd=_ROOT, env=_ENVIRONMENT, capture_output=True, text=True, check=True,
      timeout=300)
  assert found.stdout == 'set()\n'
