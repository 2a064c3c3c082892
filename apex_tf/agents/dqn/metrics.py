"""The metrics that only Ape-X DQN has."""

from apex_tf.monitoring import metric_table

METRICS = tuple(
    metric_table.Metric(
        f'epsilon_{name}', (metric_table.ACTOR,), '1',
        f'{adjective} epsilon of its environments.', agent='dqn')
    for name, adjective in (('min', 'Smallest'), ('max', 'Largest'),
                            ('mean', 'Mean')))
