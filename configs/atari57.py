r"""The 57 Atari games of the paper, one after the other, by the study `games`.

  python -m launch.study --study=games --config=configs/atari57.py \
      --workdir=runs/atari57 --seeds=1 [--values=pong,breakout]

200 million emulator frames a game, the field's budget; the paper's own runs
have 22,800 million, in five days with 360 actors.
"""

from apex_tf import config as config_lib
from configs import atari


def get_config() -> config_lib.Config:
  """The paper's settings, and when a game is over."""
  config = atari.get_config()
  config.run.max_agent_steps = 50_000_000  # Of 4 emulator frames.
  return config
