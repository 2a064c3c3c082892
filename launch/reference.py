"""Writes docs/configuration.md and docs/metrics.md from the code.

  python -m launch.reference

Both pages are committed; a test says when they are not current.
"""

import os
from typing import Any, Dict, List, Sequence

from absl import app

from apex_tf import config as config_lib
from apex_tf import formatting as fmt
from apex_tf import settings
from apex_tf.monitoring import metric_table
from apex_tf.monitoring import metrics as metrics_lib

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_WRITTEN_BY = '<!-- Written by `python -m launch.reference`. -->\n'

_CONFIGURATION = """# Configuration

{written_by}
Any field can be overridden on the command line, and `config.json` in the run
directory holds all of them as they were used:

    .venv/bin/python -m launch.train --config=configs/cartpole.py \\
        --config.agent.n_step=5 --config.dqn.hidden_sizes='(64, 64)' \\
        --workdir=runs/example

The defaults below are those of `apex_tf/config.py` and
`apex_tf/agent_config.py`; a preset in `configs/` states what differs from them.
`[paper]` marks a value of Horgan et al. 2018 and `[ours]` a choice of this
implementation.

A field marked † may change when a run is resumed (`--resume=auto` or `must`);
another value of any other field is refused by name.

An *environment frame* is one emulator frame, an *agent step* one action of one
environment (four frames on Atari), a *learner step* one gradient step, and a
*transition* one item of replay.
"""

_METRICS = """# Metrics

{written_by}
Each role writes its metrics to `tensorboard/` in the run directory, under
`<role>/<metric>`, and each actor is a run of its own. The step of a point is
counted in:

{steps}

Returns are raw unless the metric says otherwise. |TD| is the absolute n-step
temporal-difference error.
"""


def configuration_page() -> str:
  """The page of all fields, a table a section."""
  pages = [_CONFIGURATION.format(written_by=_WRITTEN_BY)]
  sections: Dict[str, List[Sequence[str]]] = {}
  for path, default, field in settings.leaves(config_lib.Config()):
    section, name = path.split('.', 1)
    mark = ' †' if field.metadata['may_change'] else ''
    sections.setdefault(section, []).append(
        (f'`{name}`{mark}', f'`{_literal(default)}`', field.metadata['doc']))
  for section, rows in sections.items():
    summary = (type(getattr(config_lib.Config(), section)).__doc__ or '')
    pages.append(f'## {section}\n\n{summary.splitlines()[0]}\n\n' +
                 fmt.markdown_table(('field', 'default', 'meaning'), rows))
  return '\n'.join(pages)


def metrics_page() -> str:
  """The page of all metrics, a table a role."""
  steps = '\n'.join(
      f'- {role}: {unit}' for role, unit in metric_table.STEP_UNITS.items())
  pages = [_METRICS.format(written_by=_WRITTEN_BY, steps=steps)]
  for role in metric_table.STEP_UNITS:
    rows = [(f'`{metric.name}`', metric.unit, _doc(metric))
            for metric in metrics_lib.METRICS.values() if role in metric.roles]
    pages.append(f'## {role}\n\n' + fmt.markdown_table(
        ('metric', 'unit', 'meaning'), rows))
  return '\n'.join(pages)


def pages() -> Dict[str, str]:
  """The text of each page, by its path."""
  docs = os.path.join(_ROOT, 'docs')
  return {
      os.path.join(docs, 'configuration.md'): configuration_page(),
      os.path.join(docs, 'metrics.md'): metrics_page(),
  }


def _doc(metric: metric_table.Metric) -> str:
  return (f'Of {metric.agent.upper()} only. ' if metric.agent else '') + (
      metric.doc)


def _literal(value: Any) -> str:
  """A value as one would give it on the command line."""
  if isinstance(value, str):
    return value or "''"
  return f'{value:,}'.replace(',', '_') if type(value) is int else str(value)


def main(argv: Sequence[str]) -> None:
  del argv
  for path, text in pages().items():
    with open(path, 'w', encoding='utf-8') as file:
      file.write(text)
    print(path)


if __name__ == '__main__':
  app.run(main)
