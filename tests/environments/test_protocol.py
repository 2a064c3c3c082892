from apex_tf.environments import protocol
from configs import atari
from configs import atari_small
from configs import cartpole
from configs import minatar


def test_of_the_paper() -> None:
  rules = protocol.describe(atari.get_config())
  assert rules == {
      'name': 'apex2018', 'action_set': 'all 18',
      'sticky_action_probability': 0.0, 'max_noops': 30,
      'zero_discount_on_life_loss': True, 'reward_clip': 1.0,
      'max_training_frames': 50_000, 'max_evaluation_frames': 108_000,
      'evaluation_epsilon': 0.001}
  assert protocol.sentence(rules).startswith(
      'name apex2018; action set all 18; sticky action probability 0.0; ')


def test_of_other_choices() -> None:
  config = atari_small.get_config()
  config.environment.max_episode_steps = 100
  rules = protocol.describe(config)
  assert rules['action_set'] == 'minimal'
  # A limit of agent steps counts where it is the smaller.
  assert rules['max_training_frames'] == rules['max_evaluation_frames'] == 400
  config = atari.get_config()
  config.environment.atari_protocol = 'machado2018'
  rules = protocol.describe(config)
  assert rules['sticky_action_probability'] == 0.25
  assert rules['max_noops'] == 0
  assert rules['zero_discount_on_life_loss'] is False


def test_names_are_those_that_are_described() -> None:
  assert protocol.describe(cartpole.get_config()) == {}
  described = [*protocol.describe(atari.get_config()),
               *protocol.describe(minatar.get_config())]
  assert set(described) == set(protocol.NAMES)
