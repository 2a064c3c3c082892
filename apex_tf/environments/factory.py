"""From the configuration's section to a batch of environments."""

from typing import Any

from acme import specs
import gymnasium

from apex_tf import config as config_lib
from apex_tf.environments import atari
from apex_tf.environments import base
from apex_tf.environments import control
from apex_tf.environments import gymnasium_vector
from apex_tf.environments import refusals


def make_environment(
    config: config_lib.EnvironmentConfig,
    num_environments: int,
    seed: int,
    evaluation: bool = False,
    render: bool = False) -> base.BatchedEnvironment:
  """A batch of the configured environment.

  Args:
    config: what to make.
    num_environments: E, at least 1.
    seed: environment i gets (seed + i) modulo 2^31.
    evaluation: plays by the rules of evaluation where the suite has its own:
      on Atari, no signal of a life loss and another limit of an episode.
    render: that its `render` is wanted; some have to know from the start.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  if config.suite == 'atari':
    return atari.make(config, num_environments, seed, evaluation, render)
  if config.suite == 'control':
    return control.make(config, num_environments, seed)
  return gymnasium_vector.GymnasiumVectorEnvironment(
      lambda: _make_one(config, render), num_environments, seed,
      config.num_frames_stacked, config.max_episode_steps)


def make_environment_spec(
    config: config_lib.EnvironmentConfig) -> specs.EnvironmentSpec:
  """The specs of one environment; leaves no process or thread behind.

  Raises:
    ValueError: names the field, its value and what is allowed, in one line.
  """
  if config.suite == 'atari':
    return atari.make_spec(config)
  environment = make_environment(config, num_environments=1, seed=0)
  result = specs.make_environment_spec(environment)
  environment.close()
  return result


def _make_one(config: config_lib.EnvironmentConfig,
              render: bool) -> gymnasium.Env:
  """One environment of the suites gymnasium and minatar, unwrapped."""
  make = _make_minatar if config.suite == 'minatar' else _make_gymnasium
  environment = make(config, render)
  try:
    gymnasium_vector.check_spaces(environment)
  except ValueError as error:
    environment.close()
    raise refusals.task_error(config, 'a task with supported spaces: '
                              f'{refusals.one_line(error)}') from error
  return environment


def _make_minatar(config: config_lib.EnvironmentConfig,
                  render: bool) -> gymnasium.Env:
  games = gymnasium_vector.MINATAR_GAMES
  if config.game not in games:
    raise refusals.task_error(config, f'one of {", ".join(games)}'
                              f'{refusals.hint(config.game, games)}')
  try:
    name = gymnasium_vector.minatar_id(config.game)
  except ImportError as error:
    raise refusals.not_installed_error('minatar', error) from error
  # By its registration, since gymnasium takes -v1, a smaller action set, for
  # a newer version of it, and would warn. The checker would warn, too, that
  # its pictures are floats, which `pictures` takes.
  return gymnasium.make(
      gymnasium.spec(name),
      render_mode='rgb_array' if render else None,
      disable_env_checker=render)


def _make_gymnasium(config: config_lib.EnvironmentConfig,
                    render: bool) -> gymnasium.Env:
  environment = _make_id(config)
  if not render:
    return environment
  # Made once more: only a made one tells for sure what it can draw.
  environment.close()
  modes = environment.metadata.get('render_modes') or ()
  if 'rgb_array' not in modes:
    raise refusals.task_error(
        config, 'a task that can be rendered: its render_modes are '
        f'{list(modes)}, and rgb_array is needed')
  return _make_id(config, render_mode='rgb_array')


def _make_id(config: config_lib.EnvironmentConfig,
             **arguments: Any) -> gymnasium.Env:
  try:
    return gymnasium.make(config.id, **arguments)
  except gymnasium.error.UnregisteredEnv as error:
    if config.id.startswith('MinAtar/'):
      hint = '; its games are environment.suite minatar'
    else:
      hint = (refusals.hint(config.id, list(gymnasium.registry)) or
              f': {refusals.one_line(error)}')
    raise refusals.task_error(
        config, f'an id that gymnasium knows{hint}') from error
  except (gymnasium.error.Error, ImportError, TypeError) as error:
    raise refusals.task_error(config, 'an id that gymnasium can make: '
                              f'{refusals.one_line(error)}') from error
