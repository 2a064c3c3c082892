"""Fixtures of whole programs."""

import pathlib
from typing import Callable, Iterator, NamedTuple

import pytest

from tests.integration import programs

Launch = Callable[..., programs.Program]


class FinishedRun(NamedTuple):
  """A run that has ended: the program, what it said, what it left."""
  program: programs.Program
  ended: programs.Ended
  workdir: pathlib.Path


@pytest.fixture
def launch(tmp_path: pathlib.Path) -> Iterator[Launch]:
  """Starts programs in `tmp_path / 'run'`; ends what is left of them."""
  started = []

  def start(*flags: str, **kwargs: str) -> programs.Program:
    started.append(programs.Program(tmp_path / 'run', flags, **kwargs))
    return started[-1]

  yield start
  for program in started:
    program.kill()


@pytest.fixture(scope='session')
def finished_run(
    tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinishedRun]:
  """A run as processes, of two actors, stopped by max_learner_steps."""
  workdir = tmp_path_factory.mktemp('finished') / 'run'
  program = programs.Program(workdir, [
      f'--config.run.max_learner_steps={programs.FINISHED_STEPS}',
      '--config.actor.num_actors=2', '--config.run.seed=3'])
  try:
    yield FinishedRun(program, program.wait(), workdir)
  finally:
    program.kill()
