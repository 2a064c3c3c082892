"""What each group's processes are started with."""

import pytest

from apex_tf import config as config_lib
from apex_tf import process_environment


@pytest.mark.parametrize('agent, network, onednn', [
    ('dqn', 'nature', '1'), ('dqn', 'dqn2013', '1'),
    ('dqn', 'my_torsos:make_large', '1'), ('dqn', 'minatar', '0'),
    ('dqn', 'mlp', '0'), ('dpg', 'nature', '0')])
@pytest.mark.parametrize('group', ['actor', 'evaluator', 'replay'])
def test_one_thread_and_onednn_for_large_networks(
    agent, network, onednn, group):
  config = config_lib.Config()
  config.agent.name, config.dqn.network = agent, network
  found = process_environment.of_group(group, config)
  assert found['TF_ENABLE_ONEDNN_OPTS'] == onednn
  assert found['TF_NUM_INTRAOP_THREADS'] == '1'
  assert found['CUDA_VISIBLE_DEVICES'] == '-1'


@pytest.mark.parametrize('network', ['nature', 'mlp'])
def test_the_learner_has_all_threads_the_gpu_and_onednn(network):
  config = config_lib.Config()
  config.dqn.network = network
  found = process_environment.of_group('learner', config)
  assert found['TF_ENABLE_ONEDNN_OPTS'] == '1'
  assert not {'TF_NUM_INTRAOP_THREADS', 'OMP_NUM_THREADS',
              'CUDA_VISIBLE_DEVICES'} & set(found)


@pytest.mark.parametrize('group', ['learner', 'actor', 'evaluator', 'replay'])
def test_all_are_of_tensorflow_2_from_the_start(group):
  found = process_environment.of_group(group, config_lib.Config())
  assert process_environment.COMMON.items() <= found.items()
  assert found['TF2_BEHAVIOR'] == found['TF_RUN_EAGER_OP_AS_FUNCTION'] == '1'
