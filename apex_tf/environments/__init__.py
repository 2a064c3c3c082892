"""The environments, as batches in the shape of dm_env, and what they score."""

from apex_tf.environments.base import BatchedEnvironment
from apex_tf.environments.factory import make_environment
from apex_tf.environments.factory import make_environment_spec
from apex_tf.environments.refusals import task_error
from apex_tf.environments.scores import games
from apex_tf.environments.scores import reference_scores

__all__ = [
    'BatchedEnvironment',
    'games',
    'make_environment',
    'make_environment_spec',
    'reference_scores',
    'task_error',
]
