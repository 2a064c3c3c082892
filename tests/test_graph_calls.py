"""Graphs that are called for long."""

import collections
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from apex_tf import graph_calls

_ROOT = pathlib.Path(__file__).resolve().parents[1]

_Pair = collections.namedtuple('_Pair', 'first second')

_MANY_CALLS = """
import psutil
import tensorflow as tf
from apex_tf import graph_calls

weight = tf.Variable([2.0])
call = graph_calls.GraphCall(lambda x: weight * x)
x = tf.constant([3.0])
def call_many():
  for _ in range(20_000):
    call(x)
  return psutil.Process().memory_info().rss
sizes = [call_many() for _ in range(4)]
# What is kept is kept in each round; the process may grow for other reasons.
print(min(after - before for before, after in zip(sizes, sizes[1:])) / 20_000)
"""


def test_structures_in_and_out():
  weight = tf.Variable(10.0)
  call = graph_calls.GraphCall(
      lambda pair, extra: {'sum': pair.first + pair.second * extra,
                           'pair': _Pair(pair.second, weight * extra)})
  result = call(_Pair(tf.constant([1.0]), tf.constant([2.0])),
                tf.constant(3.0))
  assert float(result['sum']) == 7.0
  assert float(result['pair'].first) == 2.0
  assert float(result['pair'].second) == 30.0
  weight.assign(20.0)
  result = call(_Pair(tf.constant([1.0]), tf.constant([2.0])),
                tf.constant(3.0))
  assert float(result['pair'].second) == 60.0


def test_variables_are_changed_once_a_call():
  count = tf.Variable(0)
  call = graph_calls.GraphCall(lambda x: count.assign_add(x))
  assert [int(call(tf.constant(2))) for _ in range(3)] == [2, 4, 6]
  assert int(count) == 6


def test_a_graph_for_each_shape_and_dtype():
  traces = []

  def function(x):
    traces.append((x.dtype.name, tuple(x.shape)))
    return 2 * x

  call = graph_calls.GraphCall(function)
  floats = np.ones(2, np.float32)
  for x in (floats, np.ones(3, np.float32), np.ones(2, np.int32), floats):
    np.testing.assert_array_equal(call(x).numpy(), 2 * x)
  assert traces == [('float32', (2,)), ('float32', (3,)), ('int32', (2,))]


def test_a_graph_for_each_type_of_argument():
  other = collections.namedtuple('_Other', 'second first')
  call = graph_calls.GraphCall(lambda pair: pair.first - pair.second)
  one, two = tf.constant(1.0), tf.constant(2.0)
  assert float(call(_Pair(one, two))) == -1.0
  assert float(call(other(one, two))) == 1.0
  assert float(call(_Pair(one, two))) == -1.0


def test_an_error_while_it_is_traced_is_the_functions_own():
  def function(x):
    raise ValueError(f'rank {len(x.shape)}')

  with pytest.raises(ValueError, match='rank 1'):
    graph_calls.GraphCall(function)(tf.zeros(3))


def test_calls_keep_nothing():
  run = subprocess.run(
      [sys.executable, '-c', _MANY_CALLS], cwd=_ROOT, capture_output=True,
      text=True, check=True, env={
          **os.environ, 'TF_RUN_EAGER_OP_AS_FUNCTION': '1',
          'CUDA_VISIBLE_DEVICES': '-1'})
  # A `tf.function` keeps 400 bytes of each.
  assert float(run.stdout) < 40
