"""The committed reference pages are those that the code describes now."""

import os

import pytest

from apex_tf import config as config_lib
from apex_tf import settings
from apex_tf.monitoring import metrics as metrics_lib
from launch import reference


@pytest.mark.parametrize('path, text', reference.pages().items(),
                         ids=map(os.path.basename, reference.pages()))
def test_committed_page_is_current(path, text):
  with open(path, encoding='utf-8') as file:
    assert file.read() == text, 'run `python -m launch.reference`'


def _rows(page):
  """Name and meaning in each line of each table, by the heading above it."""
  sections, heading = {}, ''
  for line in page.splitlines():
    if line.startswith('## '):
      heading = line[3:]
    elif line.startswith('| `'):
      cells = line.replace('\\|', '\0').strip('| ').split(' | ')
      assert len(cells) == 3, line
      sections.setdefault(heading, {})[cells[0].rstrip(' †').strip('`')] = (
          cells[2].replace('\0', '|'))
  return sections


def test_every_field_is_on_the_page_with_its_documentation():
  rows = _rows(reference.configuration_page())
  expected = {}
  for path, _, doc in settings.describe(config_lib.Config()):
    section, name = path.split('.')
    expected.setdefault(section, {})[name] = doc
  assert rows == expected


def test_every_metric_is_on_the_page_under_each_of_its_roles():
  rows = _rows(reference.metrics_page())
  assert {(role, name, doc) for role, names in rows.items()
          for name, doc in names.items()} == {
              (role, metric.name,
               (f'Of {metric.agent.upper()} only. ' if metric.agent else '') +
               metric.doc)
              for metric in metrics_lib.METRICS.values()
              for role in metric.roles}


def test_what_may_change_on_a_resume_is_marked():
  page = reference.configuration_page()
  for row in ('| `num_actors` † |', '| `max_minutes` † |', '| `n_step` |',
              '| `seed` |'):
    assert row in page


def test_defaults_are_written_as_the_command_line_takes_them():
  page = reference.configuration_page()
  for field in ('| `capacity` | `2_000_000` |', "| `game` | `''` |",
                '| `hidden_sizes` | `(256,)` |', '| `max_minutes` † | `inf` |'):
    assert field in page
