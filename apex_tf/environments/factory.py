"""From the configuration's section to a batch of environments."""

import difflib
from typing import Sequence

from acme import specs
import gymnasium

from apex_tf import config as config_lib
from apex_tf.environments import atari
from apex_tf.environments import base
from apex_tf.environments import gymnasium_vector


def make_environment(
    config: config_lib.EnvironmentConfig,
    num_environments: int,
    seed: int,
    evaluation: bool = False) -> base.BatchedEnvironment:
  """A batch of the configured environment.

  Args:
    config: what to make.
    num_environments: E, at least 1.
    seed: environment i gets (seed + i) modulo 2^31.
    evaluation: plays by the rules of evaluation where the suite has its own:
      on Atari, no signal of a life loss and another limit of an episode.

  Raises:
    ValueError: names the field, its value and what is allowed.
  """
  if config.suite == 'atari':
    return atari.make(config, num_environments, seed, evaluation)
  return gymnasium_vector.GymnasiumVectorEnvironment(
      lambda: _make_one(config), num_environments, seed,
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


def require_discrete_actions(spec: specs.EnvironmentSpec,
                             config: config_lib.EnvironmentConfig) -> None:
  """Refuses what an agent that chooses among actions cannot play.

  Args:
    spec: of the environment.
    config: that the spec was made from, for the message.

  Raises:
    ValueError: the actions are not discrete.
  """
  if not isinstance(spec.actions, specs.DiscreteArray):
    raise _refusal(
        config, 'a task with discrete actions: DQN takes the best of a '
        'number of actions, and an action here is '
        f'{spec.actions.dtype}{list(spec.actions.shape)}')


def _make_one(config: config_lib.EnvironmentConfig) -> gymnasium.Env:
  """One environment of the suites gymnasium and minatar, unwrapped."""
  if config.suite == 'minatar':
    environment = _make_minatar(config)
  else:
    environment = _make_gymnasium(config)
  try:
    gymnasium_vector.check_spaces(environment)
  except ValueError as error:
    environment.close()
    raise _refusal(config, 'a task with supported spaces: '
                   f'{_one_line(error)}') from error
  return environment


def _make_minatar(config: config_lib.EnvironmentConfig) -> gymnasium.Env:
  games = gymnasium_vector.MINATAR_GAMES
  if config.game not in games:
    raise _refusal(config, f'one of {", ".join(games)}'
                   f'{_hint(config.game, games)}')
  try:
    name = gymnasium_vector.minatar_id(config.game)
  except ImportError as error:
    raise ValueError(
        "environment.suite is 'minatar', but must be one that is installed: "
        f'pip install apex_tf[minatar] ({_one_line(error)})') from error
  # By its registration, since gymnasium takes -v1, a smaller action set, for
  # a newer version of it, and would warn.
  return gymnasium.make(gymnasium.spec(name))


def _make_gymnasium(config: config_lib.EnvironmentConfig) -> gymnasium.Env:
  try:
    return gymnasium.make(config.id)
  except gymnasium.error.UnregisteredEnv as error:
    if config.id.startswith('MinAtar/'):
      hint = '; its games are environment.suite minatar'
    else:
      hint = (_hint(config.id, list(gymnasium.registry)) or
              f': {_one_line(error)}')
    raise _refusal(config, f'an id that gymnasium knows{hint}') from error
  except (gymnasium.error.Error, ImportError) as error:
    raise _refusal(config, 'an id that gymnasium can make: '
                   f'{_one_line(error)}') from error


def _refusal(config: config_lib.EnvironmentConfig, allowed: str) -> ValueError:
  """The error for a task that cannot be played."""
  field = 'id' if config.suite == 'gymnasium' else 'game'
  return ValueError(f'environment.{field} is {getattr(config, field)!r}, but '
                    f'must be {allowed}')


def _hint(name: str, known: Sequence[str]) -> str:
  """The nearest of the known names, if one is near."""
  close = difflib.get_close_matches(name, known, n=1, cutoff=0.65)
  return f'; did you mean {close[0]}?' if close else ''


def _one_line(error: Exception) -> str:
  return ' '.join(str(error).split())
