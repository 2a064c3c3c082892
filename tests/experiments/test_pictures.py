"""What the pictures of a study show, of cells that are known."""

from matplotlib import figure
import numpy as np
import pytest

from apex_tf.experiments import outcomes
from apex_tf.experiments import pictures
from apex_tf.experiments import plan as plan_lib
from apex_tf.experiments import studies
from tests.experiments import finished_cells

# Half the width of the interval of 2, 4, 6.
_HALF = 4.968


@pytest.fixture
def axes():
  return figure.Figure().subplots()


@pytest.fixture
def outcome(directory, known_plan):
  return outcomes.read(directory, known_plan)


def test_curves_are_means_with_their_intervals(axes, outcome):
  pictures.draw_curves(axes, outcome.arms)
  many, single = axes.get_lines()
  # 40 points from 0 to 1000: rising to 12, and down to 2, 4, 6.
  steps, means = many.get_data()
  assert (steps[0], steps[-1], len(steps)) == (0, 1000, 40)
  np.testing.assert_allclose(
      means, np.interp(steps, [0, 500, 1000], [0, 12, 4]))
  assert single.get_ydata()[-1] == 10.0
  band = axes.collections[0].get_paths()[0].vertices
  at_the_end = band[band[:, 0] == 1000, 1]
  assert min(at_the_end) == pytest.approx(4 - _HALF, abs=1e-3)
  assert max(at_the_end) == pytest.approx(4 + _HALF, abs=1e-3)
  assert [text.get_text() for text in axes.get_legend().get_texts()] == [
      'n = 1', 'n = 3']
  assert axes.get_xlabel() == 'learner steps'
  assert axes.get_ylabel() == 'raw return, mean of an evaluation'


def test_finals_are_means_intervals_and_seeds(axes, outcome):
  pictures.draw_finals(axes, outcome.arms)
  mean, seeds, single, _ = (line for line in axes.get_lines()
                            if line.get_marker() == 'o')
  assert (list(mean.get_xdata()), list(mean.get_ydata())) == ([4.0], [0])
  assert sorted(seeds.get_xdata()) == [2.0, 4.0, 6.0]
  assert (list(single.get_xdata()), list(single.get_ydata())) == ([10.0], [1])
  (interval,) = (bar for bar in axes.collections if len(bar.get_segments()))
  (begin, _), (end, _) = interval.get_segments()[0]
  assert (begin, end) == pytest.approx((4 - _HALF, 4 + _HALF), abs=1e-3)
  assert [label.get_text() for label in axes.get_yticklabels()] == [
      'n = 1', 'n = 3']
  assert axes.get_xlabel() == 'raw return of the final policy'


def test_a_game_is_a_line_a_seed(axes, directory, config):
  plan = plan_lib.Plan(
      studies.STUDIES['games'], config, ('breakout',), 2)
  for cell in directory.cells(plan):
    finished_cells.finish(cell, [(0, 1.0), (10, 3.0 + cell.seed)])
  (arm,) = outcomes.read(directory, plan).arms
  pictures.draw_game(axes, arm)
  assert [(line.get_label(), list(line.get_xdata()), list(line.get_ydata()))
          for line in axes.get_lines()] == [
              ('seed 0', [0, 80], [1.0, 3.0]), ('seed 1', [0, 80], [1.0, 4.0])]
  assert axes.get_xlabel() == 'agent steps of all actors'


def test_a_picture_says_what_it_is_of(outcome):
  assert pictures.title(outcome) == (
      'MinAtar Breakout · Ape-X DQN · n of the n-step return')
