"""The rules of play that scores depend on."""

from typing import Any, Dict

from apex_tf import config as config_lib
from apex_tf.environments import atari

# Of what `describe` returns, in this order; what a suite does not have is left
# out.
NAMES = (
    'name', 'action_set', 'sticky_action_probability', 'max_noops',
    'zero_discount_on_life_loss', 'reward_clip', 'max_training_frames',
    'max_evaluation_frames', 'max_episode_agent_steps', 'evaluation_epsilon')


def describe(config: config_lib.Config) -> Dict[str, Any]:
  """The choices of protocol that a result depends on, for its record.

  Args:
    config: of the run.

  Returns:
    JSON data by name; {} where the environment's id says it all.
  """
  environment = config.environment
  if environment.suite == 'minatar':
    return {
        'action_set': 'all 6',
        'sticky_action_probability': 0.1,
        'reward_clip': environment.reward_clip,
        'max_episode_agent_steps': environment.max_episode_steps or None,
        'evaluation_epsilon': config.dqn.evaluation_epsilon,
    }
  if environment.suite != 'atari':
    return {}
  training = atari.protocol(environment, evaluation=False)
  evaluation = atari.protocol(environment, evaluation=True)
  frames = atari.FRAMES_PER_AGENT_STEP
  return {
      'name': environment.atari_protocol,
      'action_set': 'all 18' if environment.full_action_set else 'minimal',
      'sticky_action_probability': training.repeat_action_probability,
      'max_noops': training.max_noops,
      'zero_discount_on_life_loss': training.zero_discount_on_life_loss,
      'reward_clip': environment.reward_clip,
      'max_training_frames': frames * training.max_episode_steps,
      'max_evaluation_frames': frames * evaluation.max_episode_steps,
      'evaluation_epsilon': config.dqn.evaluation_epsilon,
  }


def sentence(rules: Dict[str, Any]) -> str:
  """What `describe` returned, in a line: "action set all 18; max noops 30"."""
  return '; '.join(f'{name.replace("_", " ")} {value}'
                   for name, value in rules.items())
