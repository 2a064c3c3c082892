"""Sonnet modules."""

from apex_tf.networks.actor_critic import CriticNetwork
from apex_tf.networks.actor_critic import PolicyNetwork
from apex_tf.networks.actor_critic import flat_bounds
from apex_tf.networks.dueling import DuelingQNetwork
from apex_tf.networks.factory import create_variables
from apex_tf.networks.factory import make_q_network
from apex_tf.networks.observations import stack_to_channels
from apex_tf.networks.torsos import make_torso

__all__ = [
    'CriticNetwork',
    'DuelingQNetwork',
    'PolicyNetwork',
    'create_variables',
    'flat_bounds',
    'make_q_network',
    'make_torso',
    'stack_to_channels',
]
