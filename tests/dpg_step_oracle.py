"""One learner step of DPG in numpy, by finite differences.

The losses as they are documented, in double precision; gradients are central
differences, and nothing is propagated back.
"""

import numpy as np

from tests import actor_critic_oracle as oracle


def _gradient(function, values, step=1e-5):
  """Central differences of a scalar function in each number of `values`."""
  result = []
  for value in values:
    gradient = np.zeros_like(value)
    for index in np.ndindex(value.shape):
      kept = value[index]
      value[index] = kept + step
      above = function()
      value[index] = kept - step
      gradient[index] = (above - function()) / (2 * step)
      value[index] = kept
    result.append(gradient)
  return result


class NumpyDPG:
  """The losses as documented, their gradients by differences, and Adam.

  Attributes:
    online: arrays, of the policy and then of the critic.
    target: likewise.
  """

  def __init__(self, learner_step, actions, clip=1.0):
    self.variables = learner_step.policy_variables
    self.online = to_double(learner_step.online.learned_variables)
    self.target = to_double(learner_step.target.learned_variables)
    self.num_policy = len(learner_step.online.policy.trainable_variables)
    self.actions, self.clip = actions, clip
    self.first = [np.zeros_like(value) for value in self.online]
    self.second = [np.zeros_like(value) for value in self.online]
    self.num_steps = 0

  def networks(self, values):
    return oracle.networks(self.variables, values)

  def pi(self, values, observation):
    return oracle.pi(self.networks(values).policy, observation, self.actions)

  def q(self, values, observation, action):
    return oracle.q(self.networks(values).critic, observation, action)

  def bootstrap(self, batch):
    """The multi-step targets G."""
    s_t = batch.observation_t
    q_t = self.q(self.target, s_t, self.pi(self.target, s_t))
    return batch.n_step_return + batch.bootstrap_discount.astype(
        np.float64) * q_t

  def td_error(self, batch):
    return self.bootstrap(batch) - self.q(
        self.online, batch.observation_tm1, batch.action_tm1)

  def loss(self, batch, weights, targets):
    delta = targets - self.q(
        self.online, batch.observation_tm1, batch.action_tm1)
    return np.mean(weights.astype(np.float64) * delta**2 / 2)

  def action_gradient(self, batch, step=1e-5):
    """dq/da at a = pi(S), `[batch, size]`."""
    s_tm1 = batch.observation_tm1
    action = self.pi(self.online, s_tm1)
    columns = []
    for offset in step * np.eye(action.shape[1]):
      columns.append((self.q(self.online, s_tm1, action + offset) - self.q(
          self.online, s_tm1, action - offset)) / (2 * step))
    return np.stack(columns, axis=1)

  def critic_gradients(self, batch, weights):
    targets = self.bootstrap(batch)
    return _gradient(lambda: self.loss(batch, weights, targets),
                     self.online[self.num_policy:])

  def policy_gradients(self, batch):
    """Of -mean_k sum_j clip(dq/da_kj) a_kj, the clipped factor constant."""
    clipped = np.clip(self.action_gradient(batch), -self.clip, self.clip)
    return _gradient(
        lambda: -np.mean(np.sum(
            clipped * self.pi(self.online, batch.observation_tm1), axis=1)),
        self.online[:self.num_policy])

  def gradients(self, batch, weights):
    """In the order of `online`."""
    return self.policy_gradients(batch) + self.critic_gradients(batch, weights)

  def metrics(self, batch, weights):
    s_tm1 = batch.observation_tm1
    gradients = self.gradients(batch, weights)
    norm = lambda arrays: np.sqrt(  # noqa: E731
        sum(np.sum(array**2) for array in arrays))
    action = self.pi(self.online, s_tm1)
    low, high = (np.broadcast_to(bound, self.actions.shape).ravel()
                 for bound in (self.actions.minimum, self.actions.maximum))
    place = (action - low) / (high - low)
    absolute = np.abs(self.td_error(batch))
    return {
        'loss': self.loss(batch, weights, self.bootstrap(batch)),
        'gradient_norm': norm(gradients[self.num_policy:]),
        'mean_q': np.mean(self.q(self.online, s_tm1, batch.action_tm1)),
        'policy_q': np.mean(self.q(self.online, s_tm1, action)),
        'policy_gradient_norm': norm(gradients[:self.num_policy]),
        'action_gradient_clipped': np.mean(
            np.abs(self.action_gradient(batch)) > self.clip),
        'action_saturation': np.mean((place < 0.01) | (place > 0.99)),
        'td_error_p10': np.percentile(absolute, 10),
        'td_error_p50': np.percentile(absolute, 50),
        'td_error_p90': np.percentile(absolute, 90),
        'weight_mean': np.mean(weights),
        'weight_min': np.min(weights),
    }

  def adam(self, gradients, learning_rate):
    """Kingma and Ba 2015, algorithm 1, with its default settings."""
    self.num_steps += 1
    t = self.num_steps
    for i, gradient in enumerate(gradients):
      self.first[i] = 0.9 * self.first[i] + 0.1 * gradient
      self.second[i] = 0.999 * self.second[i] + 0.001 * gradient**2
      self.online[i] = self.online[i] - learning_rate * (
          self.first[i] / (1 - 0.9**t)) / (
              np.sqrt(self.second[i] / (1 - 0.999**t)) + 1e-8)


def to_double(variables):
  """Copies of variables, `<float64>`."""
  return [variable.numpy().astype(np.float64) for variable in variables]
