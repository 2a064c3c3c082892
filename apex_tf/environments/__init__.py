"""The environments, as batches in the shape of dm_env, and what they score."""

from apex_tf.environments.base import BatchedEnvironment
from apex_tf.environments.factory import make_environment
from apex_tf.environments.factory import make_environment_spec
from apex_tf.environments.refusals import task_error

__all__ = [
    'BatchedEnvironment',
    'make_environment',
    'make_environment_spec',
    'task_error',
]
