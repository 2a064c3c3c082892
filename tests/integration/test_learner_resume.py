"""Runs that go on in their directory, by the objects that run them."""

import dataclasses
import os
import pathlib
import signal
import socket
import threading
import time

import numpy as np
import pytest
import reverb

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf import learner_client
from apex_tf import membership as membership_lib
from apex_tf import non_finite
from apex_tf import saved_policy
from apex_tf import serial as serial_lib
from apex_tf.agents.dqn import learning
from apex_tf.monitoring import console as console_lib
from apex_tf.monitoring import opening
from apex_tf.monitoring import panel
from apex_tf.monitoring import status as status_lib
from apex_tf.monitoring import summary as summary_lib
from apex_tf.replay import learner_lease
from apex_tf.replay import tables as tables_lib
from apex_tf.roles import learner as learner_role
from configs import cartpole

# Of a machine with other things to do.
_PATIENCE_SECONDS = 240.0


def _config(width=16, **limits):
  config = cartpole.get_config()
  config.dqn.hidden_sizes = (width,)
  config.dqn.dueling_hidden_size = width
  config.replay.min_size = 100
  config.replay.samples_per_insert = 8.0
  config.replay.capacity = 1000
  config.actor.num_actors = 1
  config.actor.environments_per_actor = 2
  config.learner.batch_size = 8
  config.learner.publish_period = 1000
  config.evaluator.episodes = 2
  config.evaluator.max_seconds = 20.0
  # None but the last, however long a test takes.
  config.evaluator.period_seconds = 1000.0
  config.run = config_lib.RunConfig(**limits)
  config.validate()
  return config


@pytest.fixture
def directory(tmp_path):
  return opening.prepare(str(tmp_path / 'run'), 'auto')


def _run_serially(directory, **limits):
  config = _config(**limits)
  ending = serial_lib.run(
      config, directory, console_lib.Console(config, directory))
  return ending, directory.read_status()


def _checkpoints(directory):
  # Without those that are just being written, or were not finished.
  return sorted(
      int(name) for name in os.listdir(directory.learner_checkpoints_directory)
      if not name.startswith('.'))


def test_serially(directory):
  ending, first = _run_serially(directory, max_learner_steps=40)
  assert (ending, first.learner_steps) == ('', 40)
  assert first.evaluations[-1].final
  assert _checkpoints(directory) == [40]
  ending, second = _run_serially(directory, max_learner_steps=60)
  assert (ending, second.learner_steps, second.stop_reason) == (
      '', 60, 'max_learner_steps')
  assert _checkpoints(directory) == [40, 60]
  # Replay was empty, and was filled again.
  assert second.agent_steps >= first.agent_steps + 100
  assert second.episodes > first.episodes
  assert second.wall_seconds > first.wall_seconds
  assert second.learning_seconds > first.learning_seconds
  assert [(e.learner_step, e.final) for e in second.evaluations] == [
      (40, False), (60, True)]
  assert second.evaluations[0].returns == first.evaluations[0].returns
  assert second.evaluations[1].agent_steps > first.evaluations[0].agent_steps


def test_serially_interrupted(directory, monkeypatch):
  """SIGTERM in the midst of a learner step: that step is finished first."""
  step = learning.DQNLearnerStep._copy_into_targets

  def interrupt(self):
    step(self)
    if int(self.num_steps) == 200:
      os.kill(os.getpid(), signal.SIGTERM)
      time.sleep(0.1)  # Python handles it here, before the step ends.

  monkeypatch.setattr(learning.DQNLearnerStep, '_copy_into_targets', interrupt)
  ending, status = _run_serially(directory, max_learner_steps=10_000)
  assert ending == status_lib.INTERRUPTED
  assert _checkpoints(directory)[-1] == status.learner_steps >= 200


class _Learner:
  """The real role, over a table without a ratio."""

  def __init__(self, serve, directory, width=16):
    self._config = _config(width)
    self._config.replay.samples_per_insert = 0.0  # Nobody inserts.
    self._builder = builder_lib.Builder(self._config)
    self._server = serve([*tables_lib.make_tables(
        self._config.replay, self._builder.spec),
                          learner_lease.make_table()])
    self.address = f'localhost:{self._server.port}'
    self._directory = directory

  def fill(self):
    """Puts transitions into the table, as the actor does."""
    builder = self._builder
    adder = builder.make_adder(reverb.Client(self.address))
    policy = builder.make_behavior_policy(0)
    loop = environment_loop.EnvironmentLoop(
        builder.make_environment(0),
        builder.make_actor(
            policy, builder.make_variable_client(_Fixed(policy), policy, False),
            adder), self._config.environment.reward_clip)
    for _ in range(80):
      loop.step()
    adder.reset()
    adder.close()

  def run(self, address, stop, minutes=5.0, **limits):
    """Runs until it ends."""
    config = dataclasses.replace(
        self._config, run=config_lib.RunConfig(**limits),
        learner=dataclasses.replace(
            self._config.learner, checkpoint_minutes=minutes),
        evaluator=dataclasses.replace(
            self._config.evaluator, max_seconds=0.5))
    learner_role.run_learner(
        config, self._directory, [self.address], address, stop)


class _Fixed:
  """The variables of a policy that nobody teaches."""

  def __init__(self, policy):
    self._policy = policy

  def get_variables(self, names):
    values = {'learner_step': np.int64(0), 'version': 'only',
              'policy': [v.numpy() for v in self._policy.variables]}
    return [values[name] for name in names]


@pytest.fixture
def learner(serve, directory, monkeypatch):
  # No one asks for a final evaluation.
  monkeypatch.setattr(learner_role, '_FINAL_EVALUATION_GRACE_SECONDS', 0.0)
  learner = _Learner(serve, directory)
  learner.fill()
  return learner


def _free_address():
  with socket.socket() as finder:
    finder.bind(('127.0.0.1', 0))
    return f'localhost:{finder.getsockname()[1]}'


def test_the_learner_role(learner, directory):
  learner.run(_free_address(), threading.Event(), max_learner_steps=20)
  first = directory.read_status()
  assert (first.phase, first.learner_steps) == ('done', 20)
  assert _checkpoints(directory) == [20]
  # The same limit is reached already.
  learner.run(_free_address(), threading.Event(), max_learner_steps=20)
  second = directory.read_status()
  assert (second.phase, second.stop_reason, second.learner_steps) == (
      'done', 'max_learner_steps', 20)
  assert second.wall_seconds > first.wall_seconds
  learner.run(_free_address(), threading.Event(), minutes=1e-9,
              max_learner_steps=35)
  third = directory.read_status()
  assert (third.phase, third.learner_steps) == ('done', 35)
  # With so short a period after every step.
  assert _checkpoints(directory) == [33, 34, 35]


def test_the_learner_role_is_stopped(learner, directory):
  stop = threading.Event()
  thread = threading.Thread(
      target=learner.run, args=(_free_address(), stop), daemon=True)
  thread.start()
  deadline = time.monotonic() + _PATIENCE_SECONDS
  while not ((status := directory.read_status()) and status.learner_steps):
    assert time.monotonic() < deadline
    time.sleep(0.05)
  stop.set()
  thread.join(_PATIENCE_SECONDS)
  assert not thread.is_alive()
  assert _checkpoints(directory) == [directory.read_status().learner_steps]


def test_the_learner_role_meets_numbers_that_go_wrong(
    learner, directory, monkeypatch):
  learner.run(_free_address(), threading.Event(), max_learner_steps=5)
  call = learning.DQNLearnerStep.__call__

  def break_at_eight(self, transition, weights):
    if int(self.num_steps) == 7:
      transition = transition._replace(
          n_step_return=transition.n_step_return * np.nan)
    return call(self, transition, weights)

  monkeypatch.setattr(learning.DQNLearnerStep, '__call__', break_at_eight)
  with pytest.raises(non_finite.NonFiniteError) as caught:
    learner.run(_free_address(), threading.Event(), max_learner_steps=50)
  path = os.path.join(directory.failures_directory, 'batch_8.npz')
  assert str(caught.value) == (
      'loss is nan and gradient_norm is nan at learner step 8; the batch is '
      f'saved in {path}')
  with np.load(path, allow_pickle=False) as arrays:
    assert np.isnan(arrays['td_error']).all()
    assert arrays['observation_tm1'].shape == (8, 1, 4)
  assert _checkpoints(directory) == [5]
  assert np.isfinite(directory.read_status().loss)
  # Without what broke it, the run goes on from there.
  monkeypatch.setattr(learning.DQNLearnerStep, '__call__', call)
  learner.run(_free_address(), threading.Event(), max_learner_steps=9)
  assert _checkpoints(directory) == [5, 9]


@pytest.mark.parametrize('stopped', [False, True])
def test_the_learner_role_waits_for_what_it_leaves(
    serve, small_disk, monkeypatch, errors, stopped):
  """There is room for the policy and for each status; not for a checkpoint."""
  monkeypatch.setattr(learner_role, '_FINAL_EVALUATION_GRACE_SECONDS', 0.0)
  directory = opening.prepare(str(small_disk.path / 'run'), 'auto')
  learner = _Learner(serve, directory, width=64)
  learner.fill()
  small_disk.fill()
  small_disk.give_back(80_000)
  stop, address = threading.Event(), _free_address()
  thread = threading.Thread(
      target=learner.run, args=(address, stop),
      kwargs={'max_learner_steps': 20}, daemon=True)
  thread.start()

  def wait_for(condition):
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
      assert time.monotonic() < deadline
      time.sleep(0.05)

  def read():
    return directory.read_status() or status_lib.RunStatus()

  wait_for(lambda: read().unsaved)
  onlooker = membership_lib.Membership(
      learner_client.connect(address), 'onlooker')
  wait_for(lambda: onlooker.get_phase() == status_lib.DONE)
  time.sleep(5.0)
  # The roles know that the run is over, but the launcher does not.
  assert onlooker.get_phase() == status_lib.DONE and thread.is_alive()
  waiting = read()
  assert (waiting.phase, waiting.unsaved, waiting.stop_reason) == (
      'final evaluation', ['the last checkpoint'], 'max_learner_steps')
  # And the status is still written, as of a run that goes on.
  written = os.path.getmtime(directory.status_file)
  wait_for(lambda: os.path.getmtime(directory.status_file) > written)
  assert 'not written: the last checkpoint' in panel.line(
      waiting, config_lib.Config())
  assert saved_policy.SavedPolicy(directory.policy_file).learner_step == 20
  assert not _checkpoints(directory)
  assert [line for line in errors if 'No space left on device' in line] == (
      errors)
  assert len(errors) == 1
  if stopped:
    stop.set()
  else:
    small_disk.make_room()
  thread.join(_PATIENCE_SECONDS)
  assert not thread.is_alive()
  ended = read()
  if stopped:
    assert errors[1:] == [
        'The run ends without the last checkpoint, its last status.json.']
    assert ended.unsaved == ['the last checkpoint']
    assert summary_lib.final_line(summary_lib.summarize(
        ended, config_lib.Config())).endswith(
            '; not written: the last checkpoint')
  else:
    assert len(errors) == 1
    assert (ended.phase, ended.unsaved) == (status_lib.DONE, [])
    assert _checkpoints(directory) == [20]


def test_the_learner_role_tidies_up_after_one_that_was_killed(
    learner, directory):
  """And leaves alone what others may just be writing."""
  path = pathlib.Path(directory.path)
  for name in ('.status.json.1.2', '.policy.npz.1.2', '.learning_curve.png.1.2',
               '.summary.json.1.2', '.config.json.1.2', '.evaluation.json.1.2',
               'status.json.1.2'):
    (path / name).write_text('{')
  learner.run(_free_address(), threading.Event(), max_learner_steps=5)
  assert {found.name for found in path.glob('*.1.2')} == {
      '.learning_curve.png.1.2', '.summary.json.1.2', '.config.json.1.2',
      '.evaluation.json.1.2', 'status.json.1.2'}


def test_the_learner_role_learns_where_it_cannot_tidy_up(
    learner, directory):
  os.mkdir(os.path.join(directory.path, '.status.json.1.2'))
  learner.run(_free_address(), threading.Event(), max_learner_steps=5)
  assert directory.read_status().learner_steps == 5


def test_the_learner_role_cannot_save(learner, directory, errors):
  """The run goes on, and ends as it should."""
  with open(os.path.join(directory.path, 'checkpoints'), 'w') as file:
    file.write('in the way')
  learner.run(_free_address(), threading.Event(), minutes=1e-9,
              max_learner_steps=5)
  status = directory.read_status()
  assert (status.phase, status.learner_steps, status.unsaved) == (
      'done', 5, ['the last checkpoint'])
  assert errors[-1].startswith(
      'At the end of learning, the last checkpoint is not written: ')
