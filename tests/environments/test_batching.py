import dm_env
import numpy as np

from apex_tf.environments import batching

FIRST, MID, LAST = dm_env.StepType


def test_seeds_follow_each_other_and_stay_below_two_to_the_31() -> None:
  assert batching.environment_seeds(5, 3) == [5, 6, 7]
  assert batching.environment_seeds(2**31 - 2, 3) == [2**31 - 2, 2**31 - 1, 0]


def test_every_combination_of_flags() -> None:
  # terminated, truncated, first, life lost: step type, reward, discount.
  cases = {
      (0, 0, 0, 0): (MID, 3, 1),
      (0, 0, 0, 1): (MID, 3, 0),
      (0, 1, 0, 0): (LAST, 3, 1),
      (0, 1, 0, 1): (LAST, 3, 0),
      (1, 0, 0, 0): (LAST, 3, 0),
      (1, 0, 0, 1): (LAST, 3, 0),
      (1, 1, 0, 0): (LAST, 3, 0),
      (0, 0, 1, 0): (FIRST, 0, 1),
      (0, 0, 1, 1): (FIRST, 0, 1),
      (1, 1, 1, 1): (FIRST, 0, 1),
  }
  flags = np.array(list(cases), np.bool_)
  timestep = batching.next_timestep(
      observation=np.zeros((len(cases), 1, 2)),
      reward=np.full(len(cases), 3),
      terminated=flags[:, 0],
      truncated=flags[:, 1],
      is_first=flags[:, 2],
      life_lost=flags[:, 3])
  result = zip(timestep.step_type, timestep.reward, timestep.discount)
  assert list(result) == list(cases.values())
