"""How a run was made, so that it can be made again."""

import shlex
import sys

from absl import flags
from ml_collections import config_flags
import pytest

from apex_tf import config as config_lib
from apex_tf.reports import configuration
from configs import atari
from configs import cartpole
from configs import pendulum
from launch import report as command

_PRESETS = {'configs/cartpole.py': cartpole.get_config(),
            'configs/pendulum.py': pendulum.get_config(),
            'configs/atari.py': atari.get_config()}


def _parse(text, monkeypatch):
  """The configuration of a command line, as `launch.train` gets it."""
  words = [word for word in shlex.split(text.replace('\\\n', ' '))
           if word.startswith('--config')]
  values = flags.FlagValues()
  # Which overrides there are is found there.
  monkeypatch.setattr(sys, 'argv', ['train', *words])
  config_flags.DEFINE_config_file('config', flag_values=values)
  values(sys.argv)
  return values.config


def _odd():
  config = atari.get_config()
  config.environment.game = 'ms_pacman'
  config.environment.full_action_set = False
  config.dqn.network = 'my module:it'
  config.dqn.hidden_sizes = (64, 32)
  config.run.max_minutes = 0.7
  config.run.seed = 12
  config.actor.num_actors = 45
  return config


def _other():
  config = pendulum.get_config()
  config.dpg.policy_hidden_sizes = (16,)
  config.run.max_minutes = float('inf')
  config.replay.minimum_priority = 3e-7
  return config


@pytest.mark.parametrize('make', [_odd, _other, cartpole.get_config])
def test_the_command_makes_the_same_configuration(make, monkeypatch):
  text = configuration.command(make(), _PRESETS)
  assert _parse(text, monkeypatch) == make()


def test_the_nearest_preset_is_taken():
  assert '--config=configs/atari.py' in configuration.command(
      _odd(), _PRESETS)
  # The number of actors is the machine's, so it is always said.
  assert configuration.command(cartpole.get_config(), _PRESETS) == (
      'python -m launch.train \\\n    --config=configs/cartpole.py \\\n    '
      '--config.actor.num_actors=2 \\\n    --workdir=DIR')
  assert configuration.command(_odd(), {}) == ''


def test_all_presets_are_found():
  assert set(_PRESETS) < set(command.read_presets())
  assert all(isinstance(preset, config_lib.Config)
             for preset in command.read_presets().values())


def test_differences_come_with_their_defaults():
  config = config_lib.Config()
  config.agent.n_step = 5
  config.replay.capacity = 1_000_000
  described = configuration.describe(config, {'python': '3'}, {})
  assert described.differences.rows == [
      ('agent.n_step', '5', '3'), ('replay.capacity', '1,000,000', '2,000,000')]
  fields = {row[0]: row[1] for row in described.everything.rows}
  assert fields['agent.n_step'] == '5' and fields['environment.game'] == "''"
  assert fields['run.max_minutes'] == 'inf'
  assert described.versions.rows == [('python', '3')]
