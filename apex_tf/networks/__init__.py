"""Sonnet modules."""

from apex_tf.networks.actor_critic import ActorCritic
from apex_tf.networks.dueling import DuelingQNetwork
from apex_tf.networks.factory import create_variables
from apex_tf.networks.factory import make_q_network
from apex_tf.networks.observations import stack_to_channels
from apex_tf.networks.torsos import make_torso

__all__ = [
    'ActorCritic',
    'DuelingQNetwork',
    'create_variables',
    'make_q_network',
    'make_torso',
    'stack_to_channels',
]
