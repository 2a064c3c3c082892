"""The command line of a cell gives the cell's configuration."""

import os
import sys

from absl import flags
from ml_collections import config_flags
import pytest

from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import runner
from apex_tf.experiments import studies
from apex_tf.experiments import study_directory
from configs import minatar
from configs import pendulum

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


@pytest.mark.parametrize('study', studies.STUDIES.values(),
                         ids=studies.STUDIES)
def test_flags_give_the_configuration(study, config, dpg_config, tmp_path):
  preset = minatar
  config.dqn.hidden_sizes = (16, 8)
  config.dqn.network = 'mlp'
  config.environment.full_action_set = False
  if 'dqn' not in study.agents:
    preset, config = pendulum, dpg_config
  plan = plan_lib.Plan(study, config, tuple(study.defaults(config)), 2)
  path = os.path.join(_ROOT, 'configs',
                      f'{preset.__name__.rpartition(".")[2]}.py')
  for cell in study_directory.StudyDirectory(str(tmp_path)).cells(plan):
    command = runner.command(cell, path, preset.get_config())
    assert command[:3] == [sys.executable, '-m', 'launch.train']
    assert command[-1] == f'--workdir={cell.directory.path}'
    values = flags.FlagValues()
    argv = ['train', *command[3:-1]]
    config_flags.DEFINE_config_file(
        'config', None, flag_values=values, sys_argv=argv)
    values(argv)
    assert values.config == cell.config
