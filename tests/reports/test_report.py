"""Whole reports of runs made by hand."""

import csv
import html.parser
import io
import os
import re

from PIL import Image
import pytest

from apex_tf import config as config_lib
from apex_tf.reports import report
from tests.reports import made_runs

_TASK = '<b>Task</b>&-v0'
# What a browser fetches by itself.
_FETCHED = {'src', 'srcset', 'poster', 'data', 'action', 'background'}


class _Page(html.parser.HTMLParser):
  """What a page consists of."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.attributes, self.words = [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    self.attributes += [(tag, name, value) for name, value in attrs]

  def handle_data(self, data):
    self.words.append(data)

  def values(self, name):
    return [value for _, at, value in self.attributes if at == name]


def _config(task=_TASK, seed=0):
  config = config_lib.Config()
  config.environment.id = task
  config.run.seed = seed
  return config


def _status(**others):
  return made_runs.make_status([
      made_runs.make_evaluation(100, [1.0, 3.0]),
      made_runs.make_evaluation(500, [5.0, 7.0], final=True)], **others)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Three runs, of which one goes on."""
  root = tmp_path_factory.mktemp('folder')
  made_runs.write_run(root / 'one' / 'run', _config(), _status())
  resumed = made_runs.write_run(
      root / 'two' / 'run', _config(seed=1), _status())
  made_runs.write_points(resumed, 'learner', [{'step': 400, 'loss': 0.5}])
  made_runs.write_run(root / 'atari', made_runs.atari_config(),
                      _status(stop_reason='', phase='learning'),
                      has_ended=False)
  return root


def _make(folder, *names):
  return report.make(report.read([str(folder / name) for name in names], {}))


@pytest.fixture(scope='module')
def contents(folder):
  return _make(folder, 'one/run', 'atari', 'two/run')


@pytest.fixture(scope='module')
def page(contents):
  return _Page(contents['report.html'].decode())


def _read_csv(content):
  return list(csv.DictReader(io.StringIO(content.decode(), newline='')))


def test_a_page_needs_no_network_and_no_scripts(contents, page):
  assert 'script' not in page.tags and 'link' not in page.tags
  assert not {'iframe', 'object', 'embed'} & set(page.tags)
  fetched = [value for _, name, value in page.attributes if name in _FETCHED]
  assert fetched
  assert all(value.startswith('data:image/png;base64,') for value in fetched)
  assert all(value.startswith('#') for value in page.values('href'))
  assert not [name for _, name, _ in page.attributes if name.startswith('on')]
  text = contents['report.html'].decode()
  assert not re.search(r'url\(|@import', text)


def test_a_page_has_the_runs_in_order(page):
  text = ' '.join(page.words)
  assert '3 runs of Ape-X' in page.words
  assert page.tags.count('section') == 4
  # Names are long enough to tell them apart, and no longer.
  assert text.count('one/run') == text.count('two/run') > 1
  assert text.count('The run is going on') == 1
  assert text.count('as after a restart') == 1
  assert page.tags.count('details') == 3
  # Curves of both runs of one task are in front.
  alternatives = page.values('alt')
  assert alternatives[:3] == [
      f'{_TASK}: Against agent steps', f'{_TASK}: Against minutes',
      'Learning: Against agent steps']
  assert alternatives.count('Learning: Against minutes') == 3
  assert 'no event files of these roles' in text and 'evaluator' in text


def test_names_are_escaped(contents, page):
  assert 'b' not in page.tags
  assert f'{_TASK} · Ape-X DQN · seed 1' in page.words
  assert '<b>' not in contents['report.html'].decode()


def test_a_single_run_is_its_own_title(folder):
  made = _make(folder, 'atari')
  page = _Page(made['report.html'].decode())
  assert page.words.count('Atari Pong · Ape-X DQN · seed 0') == 2
  assert page.tags.count('section') == 1 and 'nav' not in page.tags
  assert len(_read_csv(made['report.csv'])) == 1


def test_the_sheet_has_all_pictures(contents, page):
  with Image.open(io.BytesIO(contents['report.png'])) as image:
    width, height = image.size
  assert width == 1500
  assert height > page.tags.count('img') / 3 * 340


def test_tables_can_be_read_back(contents):
  rows = {row['run']: row for row in _read_csv(contents['report.csv'])}
  assert list(rows) == ['one/run', 'atari', 'two/run']
  assert rows['one/run']['task'] == _TASK
  assert float(rows['atari']['final_return_mean']) == 6.0
  assert float(rows['atari']['human_normalized_final_percent']) == (
      pytest.approx(100 * 26.7 / 35.3))
  assert rows['one/run']['human_return'] == ''
  assert rows['atari']['has_ended'] == 'False'
  curves = _read_csv(contents['curves.csv'])
  assert len(curves) == 6
  assert curves[1] == {
      'run': 'one/run', 'learner_step': '500', 'agent_steps': '5000',
      'environment_frames': '20000', 'minutes': str(500 / 60), 'mean': '6.0',
      'std': '1.0', 'episodes': '2'}


def test_all_bad_paths_are_named_at_once(folder, tmp_path):
  made_runs.write_run(tmp_path / 'young', _config(), made_runs.make_status([]))
  broken = made_runs.write_run(tmp_path / 'broken', _config(), _status())
  (path,) = made_runs.event_files(broken, 'learner')
  made_runs.flip_bit(path, 0.5)
  good = str(folder / 'one' / 'run')
  paths = [str(tmp_path / 'young'), good, str(tmp_path / 'none'),
           str(tmp_path / 'broken'), str(tmp_path), good + '/']
  before = made_runs.snapshot(tmp_path)
  with pytest.raises(report.UnreadableError) as caught:
    report.read(paths, {})
  assert [message.split(':')[0] for message in caught.value.messages] == [
      f'{paths[0]!r} is a run without results',
      f'{paths[2]!r} is not a directory that exists, but must be that of a run '
      'or a study',
      f'{path} is a corrupt event file',
      f'{paths[4]!r} is not the directory of a run or a study',
      f'{paths[5]!r} is given twice']
  assert made_runs.snapshot(tmp_path) == before


def test_files_are_written_for_others_to_read(tmp_path):
  contents = {'report.html': b'a', 'report.csv': b'b'}
  paths = report.write(contents, str(tmp_path / 'new' / 'folder'))
  assert paths == [str(tmp_path / 'new' / 'folder' / name) for name in contents]
  assert (tmp_path / 'new' / 'folder' / 'report.csv').read_bytes() == b'b'
  umask = os.umask(0)
  os.umask(umask)
  assert os.stat(paths[0]).st_mode & 0o777 == 0o666 & ~umask


def test_an_output_that_is_not_a_directory_is_refused(tmp_path):
  (tmp_path / 'file').write_text('')
  for output in ('file', 'file/report'):
    with pytest.raises(ValueError, match=f"^output is '{tmp_path}/{output}', "
                       f'but must be a directory, and {tmp_path}/file is a '
                       'file'):
      report.check_output(str(tmp_path / output))
  report.check_output(str(tmp_path / 'new' / 'folder'))
