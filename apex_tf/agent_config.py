"""The sections of the configuration that are about the agents.

What both have in common, and a section for each; sources as in `config`.
"""

import dataclasses
from typing import Tuple

from apex_tf import settings

AGENTS = ('dqn', 'dpg')
NETWORKS = ('mlp', 'nature', 'dqn2013', 'minatar')


@dataclasses.dataclass
class AgentConfig:
  """Which agent learns, and what both agents have in common."""

  name: str = settings.setting(
      'dqn', 'The agent: dqn chooses among actions, dpg acts in continuous '
      'ones; the section of that name has its settings. [paper]',
      choices=AGENTS)
  n_step: int = settings.setting(
      3, 'Agent steps in a multi-step return [paper].', minimum=1, maximum=64)
  discount: float = settings.setting(
      0.99, 'Discount of one agent step [paper].', minimum=0.0, maximum=1.0)


@dataclasses.dataclass
class DQNConfig:
  """Ape-X DQN: double Q-learning with a dueling network."""

  network: str = settings.setting(
      'mlp', 'Torso of the dueling network: mlp; nature (Mnih et al. 2015) '
      '[paper]; dqn2013 (Mnih et al. 2013); minatar (Young and Tian 2019); or '
      'module:function, your own, called with a numpy random generator for a '
      'Sonnet module.', choices=NETWORKS, or_function=True)
  hidden_sizes: Tuple[int, ...] = settings.setting(
      (256,), 'Units of each hidden layer of the mlp torso. [ours]',
      minimum=1, maximum=65536)
  dueling_hidden_size: int = settings.setting(
      512, 'Units of the hidden layer of each dueling stream (Wang et al. '
      '2016) [paper].', minimum=1, maximum=65536)
  learning_rate: float = settings.setting(
      0.00025 / 4, 'Of centered RMSProp [paper].', above=0.0, maximum=1.0)
  rmsprop_decay: float = settings.setting(
      0.95, 'Decay of both RMSProp averages [paper].', minimum=0.0, below=1.0)
  rmsprop_epsilon: float = settings.setting(
      1.5e-7, 'Added to the variance inside the square root [paper].',
      minimum=1e-30)
  max_gradient_norm: float = settings.setting(
      40.0, 'Global norm to which gradients are clipped [paper].', above=0.0,
      maximum=1e30)
  target_update_period: int = settings.setting(
      2500, 'Learner steps between hard copies into the target network '
      '[paper].', minimum=1)
  epsilon_base: float = settings.setting(
      0.4, 'epsilon of epsilon_i = epsilon^(1 + i alpha / (N - 1)) [paper].',
      minimum=0.0, maximum=1.0)
  epsilon_alpha: float = settings.setting(
      7.0, 'alpha of the same ladder [paper].', minimum=0.0)
  num_epsilons: int = settings.setting(
      0, 'How many epsilons that ladder has, each shared by neighboring '
      'environments; 0, or more than environments: each has its own [paper].',
      minimum=0, maximum=1_000_000)
  evaluation_epsilon: float = settings.setting(
      0.0, 'Epsilon of the evaluator. [ours; 0.001 on Atari]',
      minimum=0.0, maximum=1.0)


@dataclasses.dataclass
class DPGConfig:
  """Ape-X DPG: a deterministic policy that ascends a critic."""

  policy_hidden_sizes: Tuple[int, ...] = settings.setting(
      (300, 200), 'Units of each hidden layer of the policy, with tanh '
      '[paper].', minimum=1, maximum=65536)
  critic_hidden_sizes: Tuple[int, ...] = settings.setting(
      (400, 300), 'Units of each hidden layer of the critic, with tanh '
      '[paper].', minimum=1, maximum=65536)
  learning_rate: float = settings.setting(
      1e-4, 'Of Adam, for policy and critic [paper].', above=0.0, maximum=1.0)
  action_gradient_clip: float = settings.setting(
      1.0, 'Each element of dq/da is clipped to [-clip, clip] before it is '
      'propagated into the policy [paper].', above=0.0)
  target_update_period: int = settings.setting(
      100, 'Learner steps between hard copies into the target networks '
      '[paper].', minimum=1)
  noise_scale: float = settings.setting(
      0.3, 'Standard deviation of the Gaussian noise on each element of an '
      'action, in halves of the range between its bounds [paper].',
      minimum=0.0)
