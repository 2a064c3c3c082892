"""Turns, medians and ratios, against numbers made by hand."""

import pytest

from apex_tf.benchmarks import rounds


def test_contenders_take_turns_in_both_orders():
  calls = []

  def contender(name):
    def measure(seconds):
      calls.append((name, seconds))
      return {'seconds': seconds, 'count': float(len(calls))}
    return measure

  windows = rounds.alternate(
      {'a': contender('a'), 'b': contender('b')}, seconds=2.0, num_rounds=3,
      warm_up_seconds=0.5)
  assert calls == [
      ('a', 0.5), ('b', 0.5),
      ('a', 2.0), ('b', 2.0), ('b', 2.0), ('a', 2.0), ('a', 2.0), ('b', 2.0)]
  # What was counted in the warm-up is not among them.
  assert [window['count'] for window in windows['a']] == [3, 6, 7]
  assert [window['count'] for window in windows['b']] == [4, 5, 8]


def test_a_sample_is_known_by_its_median():
  sample = rounds.Sample([5.0, 1.0, 3.0, 100.0, 2.0])
  assert (sample.median, sample.low, sample.high) == (3.0, 1.0, 100.0)


def test_ratios_are_of_the_same_round():
  # In the third round the machine was ten times slower, for both.
  fast, slow = rounds.Sample([8.0, 8.0, 0.8]), rounds.Sample([4.0, 5.0, 0.4])
  assert fast.over(slow).values == pytest.approx([2.0, 1.6, 2.0])
  assert fast.over(slow).median == pytest.approx(2.0)


def test_figures_of_a_window():
  window = {'seconds': 2.0, 'count': 500.0, 'cpu_seconds': 0.25}
  assert rounds.per_second(window) == 250.0
  assert rounds.per_cpu_second('cpu_seconds')(window) == 2000.0
  assert rounds.microseconds('cpu_seconds')(window) == 500.0
  assert rounds.Sample.of([window, window], rounds.per_second).values == [
      250.0, 250.0]
