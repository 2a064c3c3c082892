"""The learner's mathematics: TensorFlow functions without state.

Time-indexed names: `q_tm1` are values of the state in which `a_tm1` was taken,
`q_t` values of the state at which the (n-step) return ends.
"""

from typing import Sequence, Union

import tensorflow as tf

TensorLike = Union[tf.Tensor, tf.Variable]


def _check(name: str, tensor: tf.Tensor, ranks: Sequence[int],
           kind: str) -> None:
  """Raises ValueError unless the tensor is of a rank and a kind of dtype."""
  if tensor.shape.rank not in ranks:
    raise ValueError(f'{name} has rank {tensor.shape.rank}, but must be of '
                     f'rank {" or ".join(str(rank) for rank in ranks)}')
  fine = {
      'float32': tensor.dtype == tf.float32,
      'floating': tensor.dtype.is_floating,
      'an integer': tensor.dtype.is_integer,
      'a number': tensor.dtype.is_integer or tensor.dtype.is_floating,
  }[kind]
  if not fine:
    raise ValueError(
        f'{name} is of dtype {tensor.dtype.name}, but must be {kind}')


def double_q_td_error(q_tm1: TensorLike, a_tm1: TensorLike,
                      n_step_return: TensorLike,
                      bootstrap_discount: TensorLike,
                      q_t_selector: TensorLike,
                      q_t_target: TensorLike) -> tf.Tensor:
  """The TD error of double Q-learning with a multi-step return.

      delta = G + bootstrap_discount * q_t_target[argmax_a q_t_selector[a]]
              - q_tm1[a_tm1]

  Gradients flow through `q_tm1` only. Van Hasselt, Guez and Silver 2016
  (arXiv 1509.06461); Horgan et al. 2018, equation of G_t in section 3.1.

  Args:
    q_tm1: `<float32>[batch, num_actions]`, of the online network.
    a_tm1: `<int>[batch]`, of any integer type.
    n_step_return: `<float32>[batch]`, G.
    bootstrap_discount: `<float32>[batch]`, 0 where the return was cut.
    q_t_selector: `<float32>[batch, num_actions]`, of the online network.
    q_t_target: `<float32>[batch, num_actions]`, of the target network.

  Returns:
    `<float32>[batch]`, target minus prediction.

  Raises:
    ValueError: another rank or dtype, by name.
  """
  q_tm1, a_tm1 = tf.convert_to_tensor(q_tm1), tf.convert_to_tensor(a_tm1)
  q_t_selector = tf.convert_to_tensor(q_t_selector)
  q_t_target = tf.convert_to_tensor(q_t_target)
  _check('q_tm1', q_tm1, [2], 'float32')
  _check('a_tm1', a_tm1, [1], 'an integer')
  _check('q_t_selector', q_t_selector, [2], 'float32')
  _check('q_t_target', q_t_target, [2], 'float32')

  a_t = tf.argmax(q_t_selector, axis=-1, output_type=tf.int32)
  v_t = tf.gather(q_t_target, a_t, batch_dims=1)
  # tf.gather knows two integer types only.
  qa_tm1 = tf.gather(q_tm1, tf.cast(a_tm1, tf.int32), batch_dims=1)
  return td_error(qa_tm1, n_step_return, bootstrap_discount, v_t)


def td_error(q_tm1: TensorLike, n_step_return: TensorLike,
             bootstrap_discount: TensorLike, q_t: TensorLike) -> tf.Tensor:
  """The TD error of a critic with a multi-step return.

      delta = G + bootstrap_discount * q_t - q_tm1

  Gradients flow through `q_tm1` only. Horgan et al. 2018, section 3.2, with
  q_t = q(S_t, pi(S_t)) of the target policy and the target critic.

  Args:
    q_tm1: `<float32>[batch]`, q(S_t-1, A_t-1) of the critic that learns.
    n_step_return: `<float32>[batch]`, G.
    bootstrap_discount: `<float32>[batch]`, 0 where the return was cut.
    q_t: `<float32>[batch]`.

  Returns:
    `<float32>[batch]`, target minus prediction.

  Raises:
    ValueError: another rank or dtype, by name.
  """
  q_tm1, q_t = tf.convert_to_tensor(q_tm1), tf.convert_to_tensor(q_t)
  n_step_return = tf.convert_to_tensor(n_step_return)
  bootstrap_discount = tf.convert_to_tensor(bootstrap_discount)
  _check('q_tm1', q_tm1, [1], 'float32')
  _check('n_step_return', n_step_return, [1], 'float32')
  _check('bootstrap_discount', bootstrap_discount, [1], 'float32')
  _check('q_t', q_t, [1], 'float32')

  target = tf.stop_gradient(n_step_return + bootstrap_discount * q_t)
  return target - q_tm1


def deterministic_policy_gradient_loss(action: TensorLike,
                                       action_gradient: TensorLike,
                                       clip: float) -> tf.Tensor:
  """What a deterministic policy minimizes to ascend its critic.

      l = -mean_k sum_j clip(dq/da_kj, -c, c) a_kj

  so that dl/da_k is the clipped gradient of the critic, negated, over the size
  of the batch. Silver et al. 2014, theorem 1; Lillicrap et al. 2016
  (arXiv 1509.02971), equation 6; the elementwise clip is that of Horgan et al.
  2018, appendix D. Gradients flow through `action` only.

  Args:
    action: `<float32>[batch, size]`, pi(S).
    action_gradient: `<float32>[batch, size]`, dq(S, a)/da at a = pi(S).
    clip: c, the bound of each element of the gradient.

  Returns:
    `<float32>[]`.

  Raises:
    ValueError: another rank or dtype, by name.
  """
  action = tf.convert_to_tensor(action)
  action_gradient = tf.convert_to_tensor(action_gradient)
  _check('action', action, [2], 'float32')
  _check('action_gradient', action_gradient, [2], 'float32')

  clipped = tf.stop_gradient(tf.clip_by_value(action_gradient, -clip, clip))
  return -tf.reduce_mean(tf.reduce_sum(clipped * action, axis=1))


def weighted_squared_loss(td_error: TensorLike,
                          weights: TensorLike) -> tf.Tensor:
  """The mean over the batch of importance-weighted squared errors.

      l = mean_k w_k delta_k^2 / 2

  Horgan et al. 2018, section 3.1: squared, not Huber. Gradients flow through
  `td_error` only.

  Args:
    td_error: `<float32>[batch]`.
    weights: `<float32>[batch]`.

  Returns:
    `<float32>[]`.

  Raises:
    ValueError: another rank or dtype, by name.
  """
  td_error = tf.convert_to_tensor(td_error)
  weights = tf.convert_to_tensor(weights)
  _check('td_error', td_error, [1], 'float32')
  _check('weights', weights, [1], 'float32')

  return tf.reduce_mean(
      tf.stop_gradient(weights) * 0.5 * tf.square(td_error))


def importance_weights(probability: TensorLike, table_size: TensorLike,
                       exponent: float) -> tf.Tensor:
  """Corrects for sampling with probabilities instead of uniformly.

      w_k = (N P(k))^-beta / max_j (N P(j))^-beta

  Schaul et al. 2016 (arXiv 1511.05952), section 3.4. The maximum is that of
  the batch, not of the whole replay, which no sampler knows cheaply; the
  largest weight of a batch is therefore always 1.

  Args:
    probability: `<float>[batch]`, P(k) > 0 with which each item was sampled.
    table_size: N, `<int or float>[batch]` or `[]`, items at that moment.
    exponent: beta; 0 gives weights of 1.

  Returns:
    `<float32>[batch]`, in (0, 1].

  Raises:
    ValueError: another rank or dtype, by name.
  """
  probability = tf.convert_to_tensor(probability)
  table_size = tf.convert_to_tensor(table_size)
  _check('probability', probability, [1], 'floating')
  _check('table_size', table_size, [0, 1], 'a number')

  # Logarithms, so that no power of a small probability overflows.
  log_weights = -exponent * (
      tf.math.log(tf.cast(probability, tf.float64)) +
      tf.math.log(tf.cast(table_size, tf.float64)))
  return tf.cast(
      tf.exp(log_weights - tf.reduce_max(log_weights)), tf.float32)
