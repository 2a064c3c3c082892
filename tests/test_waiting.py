"""Waiting for servers, by a clock that the test sets."""

import pytest

from apex_tf import waiting


class _Clock:

  def __init__(self):
    self.now = 7.0

  def __call__(self):
    return self.now


def test_it_ends_when_its_time_is_over():
  clock = _Clock()
  wait = waiting.Wait('replay at host:1', waiting.Patience(60.0, clock))
  wait.note('refused')
  clock.now += 59.9
  wait.note('refused')
  clock.now += 0.1
  with pytest.raises(waiting.NoAnswerError,
                     match='^replay at host:1 has not answered for 1 min$'):
    wait.note('refused')


def test_an_answer_begins_it_anew():
  clock = _Clock()
  wait = waiting.Wait('learner at host:1', waiting.Patience(10.0, clock))
  wait.note('')
  clock.now += 9.0
  wait.note_answer()
  clock.now += 9.0
  wait.note('')  # Since now.
  clock.now += 9.0
  wait.note('')
  clock.now += 1.0
  with pytest.raises(waiting.NoAnswerError):
    wait.note('')


def test_some_wait_for_ever():
  clock = _Clock()
  wait = waiting.Wait('learner at host:1', waiting.Patience(clock=clock))
  for _ in range(3):
    wait.note('')
    clock.now += 1e9


def test_none_waits_for_nothing():
  wait = waiting.Wait('learner at host:1', waiting.Patience(0.0, _Clock()))
  with pytest.raises(waiting.NoAnswerError):
    wait.note('')


def test_it_says_once_for_what_it_waits(monkeypatch):
  lines = []
  monkeypatch.setattr(waiting.logging, 'warning',
                      lambda text, *args: lines.append(text % args))
  clock = _Clock()
  limited = waiting.Wait('replay at a:1', waiting.Patience(600.0, clock))
  limited.note(OSError('refused'))
  limited.note(OSError('refused'))
  waiting.Wait('replay at b:2', waiting.Patience(clock=clock)).note('')
  assert lines == ['Waiting for replay at a:1, 10 min at most: refused',
                   'Waiting for replay at b:2: no answer']
