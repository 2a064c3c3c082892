"""The processes of a run, each a function of its config and its addresses.

They are what the nodes of the Launchpad program call, and what a plain process
can call with the same arguments. Each runs until its `stop` event is set or
the run is over, and can be started again on its address without the others.
"""

from apex_tf.roles.actor import run_actor
from apex_tf.roles.evaluator import run_evaluator
from apex_tf.roles.learner import run_learner
from apex_tf.roles.replay import run_replay
from apex_tf.roles.variable_cache import run_variable_cache

__all__ = ('run_actor', 'run_evaluator', 'run_learner', 'run_replay',
           'run_variable_cache')
