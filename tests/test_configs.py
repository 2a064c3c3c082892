"""The presets: valid, described, and of Atari the paper's, point by point."""

import importlib
import pathlib

import pytest

from apex_tf import config as config_lib
from apex_tf import validation
from configs import atari
from configs import atari57
from configs import atari_small
from configs import cartpole
from configs import control
from configs import gym
from configs import gym_control
from configs import humanoid_run
from configs import humanoid_stand
from configs import humanoid_walk
from configs import manipulator
from configs import minatar
from configs import pendulum

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_PRESETS = sorted(path.stem for path in (_ROOT / 'configs').glob('[a-z]*.py'))


def test_the_presets_of_the_manual_are_there():
  assert _PRESETS == [
      'atari', 'atari57', 'atari_small', 'cartpole', 'control', 'gym',
      'gym_control', 'humanoid_run', 'humanoid_stand', 'humanoid_walk',
      'manipulator', 'minatar', 'pendulum']


@pytest.mark.parametrize('name', _PRESETS)
def test_preset_is_valid_with_its_environment(name):
  config = importlib.import_module(f'configs.{name}').get_config()
  assert isinstance(config, config_lib.Config)
  validation.validate(config)
  assert config_lib.Config.from_json(config.to_json()) == config


@pytest.mark.parametrize('name', _PRESETS)
def test_preset_is_described(name):
  module = importlib.import_module(f'configs.{name}')
  assert len(module.__doc__) > 40
  assert len(module.get_config.__doc__) > 10


@pytest.mark.parametrize('name', _PRESETS)
def test_every_call_makes_its_own(name):
  module = importlib.import_module(f'configs.{name}')
  changed, untouched = module.get_config(), module.get_config()
  changed.agent.n_step += 1
  assert module.get_config() == untouched != changed


def test_atari_is_the_papers_section_4_and_appendix_c():
  config = atari.get_config()
  # The network: dueling over the three convolutions of Nature, streams of 512.
  assert config.dqn.network == 'nature'
  assert config.dqn.dueling_hidden_size == 512
  # The environment: 18 actions, stacks of 4, rewards clipped to [-1, 1],
  # life loss as an end, up to 30 no-ops, nothing sticky, 50,000 frames.
  assert config.environment.suite == 'atari'
  assert config.environment.atari_protocol == 'apex2018'
  assert config.environment.full_action_set is True
  assert config.environment.num_frames_stacked == 4
  assert config.environment.reward_clip == 1.0
  assert config.environment.max_episode_frames == 50_000
  # The target: three steps, 0.99, a copy each 2500 batches.
  assert config.agent.n_step == 3
  assert config.agent.discount == 0.99
  assert config.dqn.target_update_period == 2500
  # Centered RMSProp of 0.00025 / 4, decay 0.95, epsilon 1.5e-7, and clipping.
  assert config.dqn.learning_rate == 6.25e-5
  assert config.dqn.rmsprop_decay == 0.95
  assert config.dqn.rmsprop_epsilon == 1.5e-7
  assert config.dqn.max_gradient_norm == 40.0
  assert config.learner.batch_size == 512
  # Replay: 2 million, from 50,000 on, alpha 0.6, beta 0.4, no fixed ratio.
  assert config.replay.capacity == 2_000_000
  assert config.replay.min_size == 50_000
  assert config.replay.priority_exponent == 0.6
  assert config.replay.importance_exponent == 0.4
  assert config.replay.samples_per_insert == 0.0
  # Exploration: 0.4^(1 + 7 i / (N - 1)).
  assert config.dqn.epsilon_base == 0.4
  assert config.dqn.epsilon_alpha == 7.0
  # Actors: variables every 400 frames, batches of 50, at most 100 waiting.
  assert 4 * config.actor.sync_period == 400
  # The issue's own number for the evaluator.
  assert config.dqn.evaluation_epsilon == 0.001


def test_atari57_is_atari_for_200_million_frames_a_game():
  config = atari57.get_config()
  assert config.run.max_agent_steps * 4 == 200_000_000
  config.run.max_agent_steps = 0
  assert config == atari.get_config()


def test_the_papers_360_environments_are_one_override_away():
  config = atari.get_config()
  assert config.actor.num_actors >= 2
  config.actor.num_actors = 45
  assert config.total_environments == 360


def test_atari_small_keeps_the_protocol_and_takes_the_network_of_2013():
  small, paper = atari_small.get_config(), atari.get_config()
  assert small.dqn.network == 'dqn2013'
  assert small.learner.batch_size <= 64
  for name in ('suite', 'game', 'num_frames_stacked', 'reward_clip',
               'atari_protocol', 'max_episode_frames'):
    assert getattr(small.environment, name) == getattr(paper.environment, name)


def test_cartpole_stops_when_it_is_solved():
  config = cartpole.get_config()
  assert config.environment.id == 'CartPole-v1'
  assert config.run.target_return == 490.0
  assert config.evaluator.episodes == 20


def test_gym_has_no_target_of_its_own():
  config = gym.get_config()
  assert config.environment.suite == 'gymnasium'
  assert config.run == config_lib.RunConfig()


def test_minatar_is_on_breakout_with_its_own_network():
  config = minatar.get_config()
  assert (config.environment.suite, config.environment.game) == (
      'minatar', 'breakout')
  assert config.dqn.network == 'minatar'
  # The games have no limit of their own.
  assert config.environment.max_episode_steps > 0


@pytest.mark.parametrize('module, task', [
    (humanoid_stand, 'humanoid:stand'), (humanoid_walk, 'humanoid:walk'),
    (humanoid_run, 'humanoid:run'), (manipulator, 'manipulator:bring_ball')])
def test_the_papers_four_control_tasks_are_its_section_on_dpg(module, task):
  config = module.get_config()
  assert (config.environment.suite, config.environment.id) == ('control', task)
  # Features of one moment, rewards as they are.
  assert config.environment.num_frames_stacked == 1
  assert config.environment.reward_clip == 0.0
  # Two networks with tanh, Adam, the clip of dq/da, a copy each 100 batches.
  assert config.agent.name == 'dpg'
  assert config.dpg.critic_hidden_sizes == (400, 300)
  assert config.dpg.policy_hidden_sizes == (300, 200)
  assert config.dpg.learning_rate == 1e-4
  assert config.dpg.action_gradient_clip == 1.0
  assert config.dpg.target_update_period == 100
  assert config.dpg.noise_scale == 0.3
  assert config.learner.batch_size == 256
  # "Otherwise as for DQN."
  assert config.agent.n_step == 3
  assert config.agent.discount == 0.99
  # Replay: a million, evicted by p^-0.4.
  assert config.replay.capacity == 1_000_000
  assert config.replay.min_size == 50_000
  assert config.replay.priority_exponent == 0.6
  assert config.replay.importance_exponent == 0.4
  assert config.replay.eviction == 'prioritized'
  assert config.replay.eviction_exponent == -0.4
  assert config.replay.samples_per_insert == 0.0


def test_the_papers_64_environments_are_one_override_away():
  config = humanoid_stand.get_config()
  config.actor.num_actors = 8
  assert config.total_environments == 64


def test_the_small_control_presets_are_on_the_tasks_of_the_manual():
  assert pendulum.get_config().environment.id == 'Pendulum-v1'
  assert control.get_config().environment.suite == 'control'
  assert gym_control.get_config().environment.suite == 'gymnasium'
  for module in (pendulum, control, gym_control):
    assert module.get_config().agent.name == 'dpg'
