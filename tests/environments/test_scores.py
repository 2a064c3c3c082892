import statistics

import pytest

from apex_tf import config as config_lib
from apex_tf.environments import atari
from apex_tf.environments import scores


def test_reproduces_the_published_aggregates_of_apex() -> None:
  # Horgan et al. 2018, table 1, and R2D2: 434.1 % and 49 games above human.
  normalized = []
  for game, reference in scores.REFERENCE_SCORES.items():
    value = scores.human_normalized_score(game, reference.apex_noop)
    assert value is not None
    normalized.append(value)
  assert len(normalized) == 57
  assert round(statistics.median(normalized), 1) == 434.1
  assert sum(value >= 100 for value in normalized) == 49


@pytest.mark.parametrize('game, mean_return, percent', [
    # (20.9 + 20.7) / (14.6 + 20.7), by hand.
    ('pong', 20.9, 117.85),
    ('pong', -20.7, 0.0),
    ('pong', 14.6, 100.0),
    # (10 - 1.7) / (30.5 - 1.7).
    ('breakout', 10.0, 28.82),
])
def test_human_normalized_score(game: str, mean_return: float,
                                percent: float) -> None:
  result = scores.human_normalized_score(game, mean_return)
  assert result == pytest.approx(percent, abs=0.01)


def test_human_starts() -> None:
  # Horgan et al. 2018, appendix.
  expected = {
      'pong': 18.7, 'breakout': 756.5, 'seaquest': 377179.8, 'qbert': 380152.1,
      'ms_pacman': 6135.4, 'space_invaders': 50699.3, 'freeway': 29.0,
      'beam_rider': 72233.7}
  assert expected == {
      game: scores.REFERENCE_SCORES[game].apex_human_starts
      for game in expected}


def test_games_without_reference() -> None:
  assert scores.human_normalized_score('air_raid', 1.0) is None
  assert scores.human_normalized_score('Pong', 1.0) is None


def test_every_game_is_one_of_ale() -> None:
  assert set(scores.REFERENCE_SCORES) <= set(atari.games())


def test_games_and_their_references() -> None:
  config = config_lib.EnvironmentConfig(suite='atari', game='breakout')
  assert len(scores.games(config)) == 57
  reference = scores.reference_scores(config)
  assert reference is not None and reference.human == 30.5
  config.game = 'adventure'
  assert scores.reference_scores(config) is None
  config = config_lib.EnvironmentConfig(suite='minatar', game='breakout')
  assert scores.games(config) == [
      'asterix', 'breakout', 'freeway', 'seaquest', 'space_invaders']
  assert scores.reference_scores(config) is None  # The game is another.
  assert scores.games(config_lib.EnvironmentConfig()) == []
