from apex_tf.experiments import tables


def test_markdown():
  table = tables.Table(['a', 'b'], [['1', "the actors' |TD|"], ['', 'x']])
  assert table.to_markdown() == (
      '| a | b |\n'
      '| --- | --- |\n'
      "| 1 | the actors' \\|TD\\| |\n"
      '|  | x |\n')
