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

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


@pytest.mark.parametrize('study', ['actors', 'prioritization', 'epsilons'])
def test_flags_give_the_configuration(study, config, tmp_path):
  config.dqn.hidden_sizes = (16, 8)
  config.dqn.network = 'mlp'
  config.environment.full_action_set = False
  plan = plan_lib.Plan(
      studies.STUDIES[study], config,
      tuple(studies.STUDIES[study].defaults(config)), 2)
  path = os.path.join(_ROOT, 'configs', 'minatar.py')
  for cell in study_directory.StudyDirectory(str(tmp_path)).cells(plan):
    command = runner.command(cell, path, minatar.get_config())
    assert command[:3] == [sys.executable, '-m', 'launch.train']
    assert command[-1] == f'--workdir={cell.directory.path}'
    values = flags.FlagValues()
    argv = ['train', *command[3:-1]]
    config_flags.DEFINE_config_file(
        'config', None, flag_values=values, sys_argv=argv)
    values(argv)
    assert values.config == cell.config
