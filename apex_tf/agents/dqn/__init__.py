"""Ape-X DQN: double, dueling, multi-step (Horgan et al. 2018, section 4)."""

from apex_tf.agents.dqn.agent import DQNAgent
from apex_tf.agents.dqn.learning import DQNLearnerStep
from apex_tf.agents.dqn.policy import DQNPolicy
from apex_tf.agents.dqn.rmsprop import CenteredRMSProp

__all__ = ['CenteredRMSProp', 'DQNAgent', 'DQNLearnerStep', 'DQNPolicy']
