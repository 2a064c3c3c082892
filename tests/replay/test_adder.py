"""Items of the adder against brute force, in a real Reverb table."""

import contextlib
import os
import threading
from typing import Any, Dict, List

import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest
import reverb

from apex_tf import config as config_lib
from apex_tf.replay import adder as adder_lib
from apex_tf.replay import layout
from tests import scripted_environment
from tests import transition_oracle

Episode = scripted_environment.Episode
Script = scripted_environment.Script
_make_adder = transition_oracle.make_adder


def _make_table(script: Script, rate_limiter: Any = None) -> reverb.Table:
  """Gives every item once, in the order of insertion."""
  environment = scripted_environment.ScriptedEnvironment(script)
  return reverb.Table(
      name=layout.TABLE,
      sampler=reverb.selectors.Fifo(),
      remover=reverb.selectors.Fifo(),
      max_size=100_000,
      max_times_sampled=1,
      rate_limiter=rate_limiter or reverb.rate_limiters.MinSize(1),
      signature=layout.make_signature(environment.spec()))


def _read_all(client: reverb.Client) -> List[transition_oracle.Stored]:
  size = client.server_info(timeout=10)[layout.TABLE].current_size
  return transition_oracle.sample(client, size) if size else []


def _check_written(client: reverb.Client, adder: adder_lib.NStepAdder,
                   script: Script, calls: transition_oracle.Calls,
                   n_step: int, discount: float, reward_clip: float,
                   minimum_priority: float) -> None:
  """The table holds exactly the oracle's items, those of an environment in
  the order of their first states."""
  everything = transition_oracle.expected_items(
      script, calls, n_step, discount, reward_clip)
  expected = transition_oracle.writable(everything)
  stored = _read_all(client)
  stored.sort(key=lambda s: s.place[0])  # A stable sort.
  assert [s.place for s in stored] == [
      item.place for item in expected]
  for one, item in zip(stored, expected):
    transition_oracle.assert_equal(one, item)
    assert one.info.priority == pytest.approx(
        max(item.priority, minimum_priority), rel=1e-5, abs=1e-4)
  statistics = adder.statistics
  assert statistics.items_inserted == len(expected)
  assert statistics.items_refused == len(everything) - len(expected)
  np.testing.assert_allclose(
      sorted(statistics.take_priorities()),
      sorted(one.info.priority for one in stored))


@st.composite
def _episodes(draw: Any) -> Episode:
  length = draw(st.integers(1, 8))
  return Episode(
      rewards=tuple(draw(st.lists(
          st.sampled_from([-3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0]),
          min_size=length, max_size=length))),
      terminates=draw(st.booleans()),
      life_losses=tuple(draw(st.sets(st.integers(0, length - 1), max_size=2))))


@pytest.fixture(scope='module')
def clients() -> Any:
  """A client of a server for each number of stacked frames."""
  servers: Dict[int, reverb.Server] = {}
  for num_stacked in range(1, 5):
    servers[num_stacked] = reverb.Server(
        [_make_table(Script([[]], num_stacked))], port=None)
  yield {n: server.localhost_client() for n, server in servers.items()}
  for server in servers.values():
    server.stop()


@hypothesis.settings(
    deadline=None, max_examples=150,
    suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(
    episodes=st.lists(
        st.lists(_episodes(), min_size=1, max_size=3), min_size=1, max_size=4),
    num_stacked=st.integers(1, 4), repeats_first=st.booleans(),
    n_step=st.integers(1, 5), discount=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    reward_clip=st.sampled_from([0.0, 0.5, 1.0]),
    chunk_length=st.sampled_from([1, 2, 3, 8, 20]),
    flush_period=st.integers(1, 9), num_calls=st.integers(1, 40),
    bad_share=st.sampled_from([0.0, 0.0, 0.1]), seed=st.integers(0, 999))
def test_items_are_those_of_brute_force(
    clients, episodes, num_stacked, repeats_first, n_step, discount,
    reward_clip, chunk_length, flush_period, num_calls, bad_share, seed):
  script = Script(episodes, num_stacked, repeats_first)
  client = clients[num_stacked]
  client.reset(layout.TABLE)
  adder = _make_adder(client, script, n_step, discount, reward_clip,
                      flush_period, chunk_length=chunk_length)
  with contextlib.closing(adder):
    calls = transition_oracle.play(
        scripted_environment.ScriptedEnvironment(script), adder, num_calls,
        seed, bad_share)
    adder.reset()
    _check_written(client, adder, script, calls, n_step, discount,
                   reward_clip, config_lib.ReplayConfig().minimum_priority)


def test_float_frames_of_long_episodes(serve):
  """As CartPole has them; far more rows than a writer keeps alive."""
  script = Script(
      [[Episode((1.0,) * 300, terminates=False)], [Episode((1.0,) * 40)]],
      dtype=np.float32, frame_size=7)
  client = serve([_make_table(script)]).localhost_client()
  adder = _make_adder(client, script)
  calls = transition_oracle.play(
      scripted_environment.ScriptedEnvironment(script), adder, 500)
  adder.reset()
  _check_written(client, adder, script, calls, 3, 0.99, 0.0, 1e-6)
  adder.close()


def test_one_episode_by_hand(serve):
  """Rewards 1, 5, -2 clipped at 2, a life lost with the second; n = 2."""
  script = Script([[Episode((1.0, 5.0, -2.0), False, life_losses=(1,))]])
  client = serve([_make_table(script)]).localhost_client()
  adder = _make_adder(client, script, n_step=2, discount=0.5, reward_clip=2.0)
  environment = scripted_environment.ScriptedEnvironment(script)
  adder.add_first(environment.reset())
  for number, (action_value, bootstrap_value) in enumerate(
      [(1., 9.), (2., 9.), (4., 9.), (9., 8.)]):
    action = np.array([number], np.int32)
    adder.add(action, environment.step(action), adder_lib.PolicyExtras(
        np.array([action_value], np.float32),
        np.array([bootstrap_value], np.float32), 7))
  adder.reset()
  found = [(s.action, s.n_step_return,
            s.bootstrap_discount, s.info.priority)
           for s in _read_all(client)]
  # 1 + 0.5 * 2, cut; 2, cut; -2 + 0.5 * 8, truncated: |target - q|.
  assert found == [(0, 2.0, 0.0, 1.0), (1, 2.0, 0.0, 1e-6),
                   (2, -2.0, 0.5, 2.0)]
  adder.close()


@pytest.mark.parametrize('reward, reward_clip, inserted', [
    (np.inf, 0.0, False), (-np.inf, 0.0, False), (np.nan, 0.0, False),
    (np.nan, 1.0, False), (np.inf, 1.0, True), (1e30, 0.0, True),
])
def test_a_reward_that_is_not_finite_is_refused(serve, reward, reward_clip,
                                                inserted):
  script = Script([[Episode((0.5, reward, 0.5))]])
  client = serve([_make_table(script)]).localhost_client()
  adder = _make_adder(client, script, n_step=1, reward_clip=reward_clip)
  transition_oracle.play(
      scripted_environment.ScriptedEnvironment(script), adder, 8)
  adder.reset()
  # Two episodes, whole: the table took what came after.
  assert len(_read_all(client)) == (6 if inserted else 4)
  assert adder.statistics.items_refused == (0 if inserted else 2)
  adder.close()


def test_minimum_priority_is_a_floor(serve):
  script = Script([[Episode((0.0,) * 9)]])
  client = serve([_make_table(script)]).localhost_client()
  adder = _make_adder(client, script, n_step=1, minimum_priority=0.25)
  transition_oracle.add_known_priorities(adder, [0.0, 0.1, 0.25, 0.5, 1e-30])
  assert [s.info.priority for s in _read_all(client)] == [
      0.25, 0.25, 0.25, 0.5, 0.25]
  assert adder.statistics.take_priorities() == [0.25, 0.25, 0.25, 0.5, 0.25]
  adder.close()


def test_inserted_at_the_maximum(serve):
  script = Script([[Episode((0.0,) * 9)]])
  client = serve([_make_table(script)]).localhost_client()
  adder = _make_adder(client, script, n_step=1, insert_priority='maximum')
  transition_oracle.add_known_priorities(adder, [0.0, 0.5, 3.0, 2.0, 4.0, 0.1])
  assert [s.info.priority for s in _read_all(client)] == [
      1.0, 1.0, 3.0, 3.0, 4.0, 4.0]
  # What is reported is their own |TD|.
  assert adder.statistics.take_priorities() == pytest.approx(
      [1e-6, 0.5, 3.0, 2.0, 4.0, 0.1])
  adder.close()


def test_inserted_several_times(serve):
  script = Script([[Episode((0.0,) * 9)]])
  client = serve([_make_table(script)]).localhost_client()
  adder = _make_adder(client, script, n_step=1, insert_copies=3)
  transition_oracle.add_known_priorities(adder, [0.5, 2.0])
  stored = _read_all(client)
  assert [s.info.priority for s in stored] == [0.5] * 3 + [2.0] * 3
  assert [s.place for s in stored] == (
      [stored[0].place] * 3 + [stored[3].place] * 3)
  assert len({s.info.key for s in stored}) == 6
  assert adder.statistics.items_inserted == 6
  adder.close()


def test_statistics_keep_the_newest_priorities_until_they_are_taken(serve):
  script = Script([[Episode((0.0,) * 9)]])
  client = serve([_make_table(script)]).localhost_client()
  adder = _make_adder(client, script, n_step=1)
  transition_oracle.add_known_priorities(adder, range(1, 10_201))
  statistics = adder.statistics
  assert statistics.items_inserted == 10_200
  assert statistics.take_priorities() == list(range(201, 10_201))
  assert statistics.take_priorities() == []
  adder.close()


def test_add_needs_extras(serve):
  script = Script([[Episode((0.0,) * 9)]])
  environment = scripted_environment.ScriptedEnvironment(script)
  adder = _make_adder(serve([_make_table(script)]).localhost_client(), script)
  adder.add_first(environment.reset())
  action = np.zeros(1, np.int32)
  with pytest.raises(ValueError, match='extras is None'):
    adder.add(action, environment.step(action))
  adder.close()


_FULL, _MAX_PENDING, _FLUSH_PERIOD = 10, 20, 4


def _blocked_adder(serve: Any, wait_until: Any) -> Any:
  """An adder that plays in a thread until replay has blocked it a while."""
  script = Script([[Episode((0.0,) * 50)], [Episode((1.0,) * 30)]], 2)
  limiter = reverb.rate_limiters.Queue(_FULL)  # Full with ten items.
  client = serve([_make_table(script, limiter)]).localhost_client()
  stop = threading.Event()
  adder = _make_adder(
      client, script, n_step=3, flush_period=_FLUSH_PERIOD, stop=stop,
      max_pending_items=_MAX_PENDING)
  environment = scripted_environment.ScriptedEnvironment(script)

  def play() -> None:
    transition_oracle.play(environment, adder, 200)
    adder.reset()

  thread = threading.Thread(target=play, daemon=True)
  thread.start()
  inserted, since = -1, 0.0

  def is_blocked() -> bool:
    """Whether it has waited for a second since it last got on."""
    nonlocal inserted, since
    statistics = adder.statistics
    if statistics.items_inserted != inserted:
      inserted, since = (
          statistics.items_inserted, statistics.insert_wait_seconds)
    # A busy machine may take as long for what is not blocked.
    return statistics.insert_wait_seconds > since + 1.0 and (
        client.server_info(timeout=10)[layout.TABLE].current_size == _FULL)

  wait_until(is_blocked)
  return client, adder, thread, stop


def test_a_blocked_adder_waits_until_it_is_stopped(serve, wait_until):
  client, adder, thread, stop = _blocked_adder(serve, wait_until)
  assert thread.is_alive()
  # Two environments; a stack's worth of short items may join a flush period.
  bound = _FULL + 2 * (_MAX_PENDING + 2 * _FLUSH_PERIOD)
  inserted = adder.statistics.items_inserted
  assert _FULL < inserted <= bound
  waited = adder.statistics.insert_wait_seconds
  wait_until(lambda: adder.statistics.insert_wait_seconds > waited + 0.4)
  assert adder.statistics.items_inserted == inserted
  assert client.server_info(timeout=10)[layout.TABLE].current_size == _FULL
  stop.set()
  thread.join(60.0)
  assert not thread.is_alive()
  closer = threading.Thread(target=adder.close, daemon=True)
  closer.start()
  closer.join(60.0)
  assert not closer.is_alive()


def test_a_blocked_adder_goes_on_when_items_are_sampled(serve, wait_until):
  client, adder, thread, _ = _blocked_adder(serve, wait_until)
  seen = 0
  while thread.is_alive():
    seen += len(_read_all(client))
  seen += len(_read_all(client))
  assert seen == adder.statistics.items_inserted > 300
  waited = adder.statistics.insert_wait_seconds
  assert 1.0 < waited < 60.0
  adder.close()


def test_a_frame_is_stored_once(tmp_path):
  """Stacks of four at both ends of each item, and still one copy of each."""
  num_calls, frame_size = 200, 2000
  script = Script([[Episode((0.0,) * 1000)]], 4, frame_size=frame_size)
  server = reverb.Server(
      [_make_table(script)], port=None,
      checkpointer=reverb.checkpointers.DefaultCheckpointer(str(tmp_path)))
  client = server.localhost_client()
  adder = _make_adder(client, script, n_step=3)
  transition_oracle.play(
      scripted_environment.ScriptedEnvironment(script), adder, num_calls)
  adder.reset()
  folder = client.checkpoint()
  stored = sum(os.path.getsize(os.path.join(folder, name))
               for name in os.listdir(folder))
  frames = num_calls * frame_size
  assert frames < stored < 1.3 * frames
  adder.close()
  server.stop()
