"""Which torso takes which observation, told without TensorFlow.

The launcher asks it before a run begins, and the torsos when they are called.
"""

from typing import Dict, Optional, Sequence, Tuple

# The smallest height and width that the VALID convolutions leave a pixel of;
# None takes vectors instead of images.
MINIMUM_SIZES: Dict[str, Optional[int]] = {
    'mlp': None, 'nature': 36, 'dqn2013': 20, 'minatar': 3}

# Those whose call by a policy takes a fraction of a millisecond.
SMALL = ('mlp', 'minatar')


def features_shape(observation_shape: Sequence[int]) -> Tuple[int, ...]:
  """Shape of what `networks.stack_to_channels` makes of one observation.

  Args:
    observation_shape: `[stack, *frame]`.

  Returns:
    `[features]` or `[height, width, channels]`; the observation's own shape
    where its frame is neither a vector nor an image.
  """
  stack, *frame = observation_shape
  if len(frame) == 1:
    return (stack * frame[0],)
  if len(frame) == 2:
    return (*frame, stack)
  if len(frame) == 3:
    return (*frame[:2], stack * frame[2])
  return tuple(observation_shape)


def check(name: str, shape: Sequence[int]) -> None:
  """Checks that a torso can take an input.

  Args:
    name: of the torso, as in dqn.network.
    shape: `[features]` or `[height, width, channels]`.

  Raises:
    ValueError: it cannot; names dqn.network and what is allowed.
  """
  if _fits(name, shape):
    return
  minimum_size = MINIMUM_SIZES[name]
  takes = 'vectors' if minimum_size is None else (
      f'images of at least {minimum_size}x{minimum_size}')
  allowed = [other for other in MINIMUM_SIZES if _fits(other, shape)]
  raise ValueError(
      f'dqn.network is {name!r}, which takes {takes}, but must be one of '
      f'{", ".join(allowed) or "(none fits)"} for an observation of '
      f'{" x ".join(str(size) for size in shape)}')


def _fits(name: str, shape: Sequence[int]) -> bool:
  minimum_size = MINIMUM_SIZES[name]
  if minimum_size is None:
    return len(shape) == 1
  return len(shape) == 3 and min(shape[:2]) >= minimum_size
