"""Reference scores of the 57 Atari games, and the human-normalized score.

Sources:
  random and human play: dqn_zoo (Google DeepMind), which normalizes by them.
    Others take 0 for random play of video_pinball; compare on the median.
  Ape-X: Horgan et al. 2018, appendix, as the rldb database transcribes it.
    Each is the best score that one seed reached during training. The table of
    R2D2 (Kapturowski et al. 2019) differs in three games of the first column:
    double_dunk 12.8, venture 1773.5, video_pinball 546197.4.
"""

from typing import Dict, List, NamedTuple, Optional

from apex_tf import config as config_lib
from apex_tf.environments import gymnasium_vector


class ReferenceScores(NamedTuple):
  """Mean returns of one game, raw.

  Attributes:
    random: of uniformly random play.
    human: of a human player.
    apex_noop: of Ape-X DQN from up to 30 no-ops.
    apex_human_starts: of Ape-X DQN from positions of human play.
  """
  random: float
  human: float
  apex_noop: float
  apex_human_starts: float


# By the name of the game as ALE has it.
REFERENCE_SCORES: Dict[str, ReferenceScores] = {
    'alien': ReferenceScores(227.8, 7127.7, 40804.9, 17731.5),
    'amidar': ReferenceScores(5.8, 1719.5, 8659.2, 1047.3),
    'assault': ReferenceScores(222.4, 742.0, 24559.4, 24404.6),
    'asterix': ReferenceScores(210.0, 8503.3, 313305.0, 283179.5),
    'asteroids': ReferenceScores(719.1, 47388.7, 155495.1, 117303.4),
    'atlantis': ReferenceScores(12850.0, 29028.1, 944497.5, 918714.5),
    'bank_heist': ReferenceScores(14.2, 753.1, 1716.4, 1200.8),
    'battle_zone': ReferenceScores(2360.0, 37187.5, 98895.0, 92275.0),
    'beam_rider': ReferenceScores(363.9, 16926.5, 63305.2, 72233.7),
    'berzerk': ReferenceScores(123.7, 2630.4, 57196.7, 55598.9),
    'bowling': ReferenceScores(23.1, 160.7, 17.6, 30.2),
    'boxing': ReferenceScores(0.1, 12.1, 100.0, 80.9),
    'breakout': ReferenceScores(1.7, 30.5, 800.9, 756.5),
    'centipede': ReferenceScores(2090.9, 12017.0, 12974.0, 5711.6),
    'chopper_command': ReferenceScores(811.0, 7387.8, 721851.0, 576601.5),
    'crazy_climber': ReferenceScores(10780.5, 35829.4, 320426.0, 263953.5),
    'defender': ReferenceScores(2874.5, 18688.9, 411943.5, 399865.3),
    'demon_attack': ReferenceScores(152.1, 1971.0, 133086.4, 133002.1),
    'double_dunk': ReferenceScores(-18.6, -16.4, 23.5, 22.3),
    'enduro': ReferenceScores(0.0, 860.5, 2177.4, 2042.4),
    'fishing_derby': ReferenceScores(-91.7, -38.7, 44.4, 22.4),
    'freeway': ReferenceScores(0.0, 29.6, 33.7, 29.0),
    'frostbite': ReferenceScores(65.2, 4334.7, 9328.6, 6511.5),
    'gopher': ReferenceScores(257.6, 2412.5, 120500.9, 121168.2),
    'gravitar': ReferenceScores(173.0, 3351.4, 1598.5, 662.0),
    'hero': ReferenceScores(1027.0, 30826.4, 31655.9, 26345.3),
    'ice_hockey': ReferenceScores(-11.2, 0.9, 33.0, 24.0),
    'jamesbond': ReferenceScores(29.0, 302.8, 21322.5, 18992.3),
    'kangaroo': ReferenceScores(52.0, 3035.0, 1416.0, 577.5),
    'krull': ReferenceScores(1598.0, 2665.5, 11741.4, 8592.0),
    'kung_fu_master': ReferenceScores(258.5, 22736.3, 97829.5, 72068.0),
    'montezuma_revenge': ReferenceScores(0.0, 4753.3, 2500.0, 1079.0),
    'ms_pacman': ReferenceScores(307.3, 6951.6, 11255.2, 6135.4),
    'name_this_game': ReferenceScores(2292.3, 8049.0, 25783.3, 23829.9),
    'phoenix': ReferenceScores(761.4, 7242.6, 224491.1, 188788.5),
    'pitfall': ReferenceScores(-229.4, 6463.7, -0.6, -273.3),
    'pong': ReferenceScores(-20.7, 14.6, 20.9, 18.7),
    'private_eye': ReferenceScores(24.9, 69571.3, 49.8, 864.7),
    'qbert': ReferenceScores(163.9, 13455.0, 302391.3, 380152.1),
    'riverraid': ReferenceScores(1338.5, 17118.0, 63864.4, 49982.8),
    'road_runner': ReferenceScores(11.5, 7845.0, 222234.5, 127111.5),
    'robotank': ReferenceScores(2.2, 11.9, 73.8, 68.5),
    'seaquest': ReferenceScores(68.4, 42054.7, 392952.3, 377179.8),
    'skiing': ReferenceScores(-17098.1, -4336.9, -10789.9, -11359.3),
    'solaris': ReferenceScores(1236.3, 12326.7, 2892.9, 3115.9),
    'space_invaders': ReferenceScores(148.0, 1668.7, 54681.0, 50699.3),
    'star_gunner': ReferenceScores(664.0, 10250.0, 434342.5, 432958.0),
    'surround': ReferenceScores(-10.0, 6.5, 7.1, 5.5),
    'tennis': ReferenceScores(-23.8, -8.3, 23.9, 23.0),
    'time_pilot': ReferenceScores(3568.0, 5229.2, 87085.0, 71543.0),
    'tutankham': ReferenceScores(11.4, 167.6, 272.6, 127.7),
    'up_n_down': ReferenceScores(533.4, 11693.2, 401884.3, 347912.2),
    'venture': ReferenceScores(0.0, 1187.5, 1813.0, 935.5),
    'video_pinball': ReferenceScores(16256.9, 17667.9, 565163.2, 873988.5),
    'wizard_of_wor': ReferenceScores(563.5, 4756.5, 46204.0, 46897.0),
    'yars_revenge': ReferenceScores(3092.9, 54576.9, 148594.8, 131701.1),
    'zaxxon': ReferenceScores(32.5, 9173.3, 42285.5, 37672.0),
}


def games(config: config_lib.EnvironmentConfig) -> List[str]:
  """The games that one runs all of, of the suites that have some: the 57 of
  Atari, and those of MinAtar; [] elsewhere."""
  if config.suite == 'atari':
    return list(REFERENCE_SCORES)
  if config.suite == 'minatar':
    return list(gymnasium_vector.MINATAR_GAMES)
  return []


def reference_scores(
    config: config_lib.EnvironmentConfig) -> Optional[ReferenceScores]:
  """Those of the configured game; None where there are none."""
  # MinAtar has games of the same names.
  return (REFERENCE_SCORES.get(config.game) if config.suite == 'atari' else
          None)


def human_normalized_score(game: str, mean_return: float) -> Optional[float]:
  """100 (return - random) / (human - random), in percent.

  Args:
    game: name in snake_case.
    mean_return: mean of raw returns.

  Returns:
    0 for random play, 100 for human play; None for a game that is not one of
    the 57.
  """
  scores = REFERENCE_SCORES.get(game)
  if scores is None:
    return None
  return 100.0 * (mean_return - scores.random) / (scores.human - scores.random)
