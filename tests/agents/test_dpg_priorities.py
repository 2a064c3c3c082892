"""Initial priorities of DPG, from the environment to a real table.

Pendulum is played through the builder's parts. What has to be in the table is
worked out from a second Pendulum, gymnasium's own, which gets the same actions,
and from the networks in numpy; and once more from each item alone.
"""

from typing import Any, Dict, List, NamedTuple, Tuple

import gymnasium
import numpy as np
import pytest
import reverb

from apex_tf import builder as builder_lib
from apex_tf import config as config_lib
from apex_tf import environment_loop
from apex_tf.replay import layout
from tests import actor_critic_oracle as oracle

NUM_ENVIRONMENTS, EPISODE_LENGTH, NUM_CALLS = 3, 12, 60
DISCOUNT = 0.9
LEARNER_STEP = 17


class _Source:
  """Variables that stay as they are, for the actor to fetch."""

  def __init__(self, values: List[np.ndarray]):
    self._values = values

  def get_variables(self, names: List[str]) -> List[Any]:
    return [{'policy': self._values, 'learner_step': np.int64(LEARNER_STEP),
             'version': 'only'}[name] for name in names]


class _Recorder:
  """An environment that keeps what passes through it."""

  def __init__(self, environment: Any):
    self._environment = environment
    self.timesteps: List[Any] = []
    self.actions: List[np.ndarray] = []

  def __getattr__(self, name: str) -> Any:
    return getattr(self._environment, name)

  def reset(self) -> Any:
    self.timesteps.append(self._environment.reset())
    return self.timesteps[-1]

  def begin_step(self, action: np.ndarray) -> None:
    self.actions.append(action.copy())
    self._environment.begin_step(action)

  def end_step(self) -> Any:
    self.timesteps.append(self._environment.end_step())
    return self.timesteps[-1]


class _Episode(NamedTuple):
  """One more observation than actions and rewards, if it has ended."""
  observations: List[np.ndarray]
  actions: List[np.ndarray]
  rewards: List[float]


def _play_again(seed: int, actions: List[np.ndarray]) -> List[_Episode]:
  """Pendulum by hand, with the actions of one environment.

  Args:
    seed: of the first reset.
    actions: from -1 to 1, one of each policy call; where an episode has just
      ended, the action is ignored.
  """
  environment = gymnasium.make('Pendulum-v1').unwrapped
  episodes = [_Episode([environment.reset(seed=seed)[0]], [], [])]
  for action in actions:
    episode = episodes[-1]
    if len(episode.actions) == EPISODE_LENGTH:
      episodes.append(_Episode([environment.reset()[0]], [], []))
      continue
    observation, reward, terminated, _, _ = environment.step(2 * action)
    assert not terminated
    episode.observations.append(observation)
    episode.actions.append(action)
    episode.rewards.append(float(reward))
  environment.close()
  return episodes


class _Item(NamedTuple):
  """A transition as it has to be in the table."""
  observation_tm1: np.ndarray
  observation_t: np.ndarray
  action: np.ndarray
  n_step_return: float
  bootstrap_discount: float
  num_steps: int


def _stack(frames: List[np.ndarray], time: int, size: int) -> np.ndarray:
  zero = np.zeros_like(frames[0])
  return np.stack([frames[i] if i >= 0 else zero
                   for i in range(time - size + 1, time + 1)])


def _expected(episodes: List[_Episode], n_step: int, stack: int,
              num_calls: int) -> List[_Item]:
  """All whose last state the policy has been asked about."""
  items, calls = [], 0
  for episode in episodes:
    # The policy is asked about every observation, but the very last.
    known = min(len(episode.observations), num_calls - calls)
    calls += known
    ended = len(episode.actions) == EPISODE_LENGTH
    for start in range(len(episode.actions)):
      end = start + n_step
      if ended:
        end = min(end, EPISODE_LENGTH)
      # The short ones at an episode's end are known with the full one before.
      if end >= known:
        continue
      total = sum(DISCOUNT**k * episode.rewards[start + k]
                  for k in range(end - start))
      items.append(_Item(
          _stack(episode.observations, start, stack),
          _stack(episode.observations, end, stack), episode.actions[start],
          total, DISCOUNT**(end - start), end - start))
  return items


def _make_builder(n_step: int, stack: int) -> builder_lib.Builder:
  config = config_lib.Config()
  config.environment.id = 'Pendulum-v1'
  config.environment.num_frames_stacked = stack
  config.environment.max_episode_steps = EPISODE_LENGTH
  config.agent.name = 'dpg'
  config.agent.n_step = n_step
  config.agent.discount = DISCOUNT
  config.dpg.policy_hidden_sizes = (8, 6)
  config.dpg.critic_hidden_sizes = (9, 7)
  config.actor.environments_per_actor = NUM_ENVIRONMENTS
  config.actor.sync_period = 7
  config.validate()
  return builder_lib.Builder(config)


def _make_table(builder: builder_lib.Builder) -> reverb.Table:
  """Gives every item once, in the order of insertion."""
  return reverb.Table(
      layout.TABLE, reverb.selectors.Fifo(), reverb.selectors.Fifo(),
      max_size=100_000, max_times_sampled=1,
      rate_limiter=reverb.rate_limiters.MinSize(1),
      signature=layout.make_signature(builder.spec))


class _Stored(NamedTuple):
  """An item of the table, unpacked as the docstring of `layout` says."""
  observation_tm1: np.ndarray
  observation_t: np.ndarray
  n_step_return: float
  bootstrap_discount: float
  learner_step: int
  action: np.ndarray
  priority: float


def _read_all(client: reverb.Client) -> List[_Stored]:
  size = client.server_info(timeout=10)[layout.TABLE].current_size
  found = []
  for sample in client.sample(layout.TABLE, size, emit_timesteps=False,
                              unpack_as_table_signature=True):
    step = sample.data[layout.STEP]
    found.append(_Stored(
        sample.data[layout.OBSERVATION_TM1], sample.data[layout.OBSERVATION_T],
        *step[:3], step[3:], sample.info.priority))
  return found


def _key(item: Any) -> Tuple[bytes, bytes]:
  """The newest frame before and after: no two transitions of a run share."""
  return (item.observation_tm1[-1].tobytes(), item.observation_t[-1].tobytes())


@pytest.mark.parametrize('n_step, stack', [(3, 1), (1, 2), (5, 2)])
def test_priorities_are_those_of_brute_force(serve, n_step, stack):
  builder = _make_builder(n_step, stack)
  client = serve([_make_table(builder)]).localhost_client()
  policy = builder.make_behavior_policy(0)
  values = oracle.random_weights(policy.variables, 1, output_scale=4.0)
  networks = oracle.networks(policy.variables, values)
  variable_client = builder.make_variable_client(
      _Source(values), policy, asynchronous=False)
  variable_client.update_now()
  adder = builder.make_adder(client)
  environment = _Recorder(builder.make_environment(0))
  actor = builder.make_actor(policy, variable_client, adder)
  loop = environment_loop.EnvironmentLoop(environment, actor)
  for _ in range(NUM_CALLS):
    loop.step()
  actor.update()  # The last step is written while the next one is made.
  adder.reset()
  stored = {_key(item): item for item in _read_all(client)}

  actions = np.stack(environment.actions)
  assert actions.shape == (NUM_CALLS, NUM_ENVIRONMENTS, 1)
  expected: Dict[Any, _Item] = {}
  for index in range(NUM_ENVIRONMENTS):
    episodes = _play_again(_seed(builder) + index, list(actions[:, index]))
    _check_trajectory(environment.timesteps, index, episodes)
    for item in _expected(episodes, n_step, stack, NUM_CALLS):
      expected[_key(item)] = item
  assert set(stored) == set(expected)
  assert adder.statistics.items_inserted == len(stored)

  for key, item in expected.items():
    found = stored[key]
    np.testing.assert_array_equal(found.observation_tm1, item.observation_tm1)
    np.testing.assert_array_equal(found.observation_t, item.observation_t)
    np.testing.assert_array_equal(found.action, item.action)
    assert found.learner_step == LEARNER_STEP
    assert found.n_step_return == pytest.approx(item.n_step_return, rel=1e-5)
    assert found.bootstrap_discount == pytest.approx(item.bootstrap_discount)
    # From the second Pendulum, and from the item as it is stored.
    for one in (item, found):
      assert found.priority == pytest.approx(
          _priority(networks, builder, one), rel=1e-4, abs=1e-4)
  _check_that_the_test_means_something(
      networks, builder, list(expected.values()), n_step)
  adder.close()


def _seed(builder: builder_lib.Builder) -> int:
  """Of the first environment; what the builder asks of numpy."""
  sequence = np.random.SeedSequence((builder.config.run.seed, 1, 0))
  return int(sequence.generate_state(1)[0] % 2**31)


def _check_trajectory(timesteps: List[Any], index: int,
                      episodes: List[_Episode]) -> None:
  """The environment's own frames, types and discounts are Pendulum's."""
  time = 0
  for episode in episodes:
    for step, observation in enumerate(episode.observations):
      timestep = timesteps[time]
      time += 1
      np.testing.assert_array_equal(
          timestep.observation[index, -1], observation)
      kind = 0 if step == 0 else 2 if step == EPISODE_LENGTH else 1
      assert timestep.step_type[index] == kind
      assert timestep.discount[index] == 1  # It never terminates.
      if step:
        assert timestep.reward[index] == pytest.approx(
            episode.rewards[step - 1], rel=1e-5)
  assert time == len(timesteps)


def _terms(networks: oracle.Networks, builder: builder_lib.Builder,
           item: Any) -> Tuple[float, float]:
  """gamma^n q(S_t+n, pi(S_t+n)) and q(S_t, A_t)."""
  last = item.observation_t[None]
  greedy = oracle.pi(networks.policy, last, builder.spec.actions)
  return (item.bootstrap_discount * oracle.q(networks.critic, last, greedy)[0],
          oracle.q(networks.critic, item.observation_tm1[None],
                   item.action[None])[0])


def _priority(networks: oracle.Networks, builder: builder_lib.Builder,
              item: Any) -> float:
  bootstrap, value = _terms(networks, builder, item)
  return max(abs(item.n_step_return + bootstrap - value), 1e-6)


def _check_that_the_test_means_something(
    networks: oracle.Networks, builder: builder_lib.Builder,
    items: List[_Item], n_step: int) -> None:
  """Each term matters, of short transitions at the time limit too."""
  lengths = {item.num_steps for item in items}
  assert lengths == set(range(1, n_step + 1))
  short = [item for item in items if item.num_steps < n_step]
  # Four whole episodes of 13 calls, in each environment.
  assert len(short) == 4 * NUM_ENVIRONMENTS * (n_step - 1)
  assert len(items) >= 4 * NUM_ENVIRONMENTS * EPISODE_LENGTH
  for some in (items, short) if short else (items,):
    bootstraps, values = zip(*(_terms(networks, builder, i) for i in some))
    assert np.median(np.abs(bootstraps)) > 0.1
    assert np.median(np.abs(values)) > 0.1
  # The actions are not those of the policy, which say nothing of its noise.
  greedy = [oracle.pi(networks.policy, item.observation_tm1[None],
                      builder.spec.actions)[0] for item in items]
  noise = np.array([item.action for item in items]) - greedy
  assert np.mean(np.abs(noise) > 0.01) > 0.5
