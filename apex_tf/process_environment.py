"""The environment variables of processes with TensorFlow, told without it.

They count from the start of a process, or at the latest until TensorFlow is
imported.
"""

from typing import Dict

from apex_tf import config as config_lib
from apex_tf import network_inputs

# Of every process; a command that has a role in its own process sets them too.
COMMON = {
    'TF_CPP_MIN_LOG_LEVEL': '2',
    # Without it, every call of a graph keeps memory: `graph_calls`.
    'TF_RUN_EAGER_OP_AS_FUNCTION': '1',
    # Without it, TensorFlow 2.8 builds the context of a Launchpad node's
    # process in graph mode, and does not register functions that are traced
    # within others: "Can't find a function". BUILD_NOTES.md
    'TF2_BEHAVIOR': '1',
}


def of_group(group: str, config: config_lib.Config) -> Dict[str, str]:
  """What a group's processes are started with.

  Args:
    group: of `program.make_program`.
    config: of the run.
  """
  # On the CPU, oneDNN takes 0.8 of the time of a policy with a large network
  # and up to 1.3 times that of a small one. docs/performance.md
  small = config.agent.name != 'dqn' or (
      config.dqn.network in network_inputs.SMALL)
  variables = {**COMMON, 'PYTHONUNBUFFERED': '1',
               'TF_ENABLE_ONEDNN_OPTS': str(int(
                   group == 'learner' or not small))}
  if group == 'learner':
    return variables
  # Many processes share the cores: each acts with one thread.
  return {**variables, 'CUDA_VISIBLE_DEVICES': '-1',
          'TF_NUM_INTRAOP_THREADS': '1', 'TF_NUM_INTEROP_THREADS': '1',
          'OMP_NUM_THREADS': '1'}
