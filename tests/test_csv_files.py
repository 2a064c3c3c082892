import csv
import io
import math

from apex_tf import csv_files


def test_what_is_written_comes_back():
  text = csv_files.to_csv([
      {'a': 1, 'b': 'x, "y"\nz'}, {'a': 0.1, 'b': None},
      {'a': math.nan, 'b': True}, {'a': math.inf, 'b': ''}])
  assert text.splitlines()[0] == 'a,b' and '\r' not in text
  assert list(csv.DictReader(io.StringIO(text, newline=''))) == [
      {'a': '1', 'b': 'x, "y"\nz'}, {'a': '0.1', 'b': ''},
      {'a': '', 'b': 'True'}, {'a': '', 'b': ''}]
