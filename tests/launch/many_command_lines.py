"""Runs `launch.train` with many command lines, each in a process of its own.

Reads a JSON list of command lines on standard input, and writes a JSON list of
[exit code, standard output, standard error] on standard output. What is
imported before the command line is looked at is imported once; from there on,
each command line has a fresh copy of this process.
"""

import json
import os
import sys
import tempfile
from typing import List, Tuple

from launch import command_line
from launch import train


def _run(argv: List[str]) -> Tuple[int, str, str]:
  """In the child, returns into `main`, as -1; in the parent, the result."""
  with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
    pid = os.fork()
    if not pid:
      os.dup2(out.fileno(), 1)
      os.dup2(err.fileno(), 2)
      sys.argv = [train.__file__, *argv]
      return -1, '', ''
    _, status = os.waitpid(pid, 0)
    out.seek(0)
    err.seek(0)
    return (os.waitstatus_to_exitcode(status), out.read().decode(),
            err.read().decode())


def main() -> None:
  results = []
  for argv in json.load(sys.stdin):
    result = _run(argv)
    if result[0] == -1:
      command_line.run(train.main)
      return
    results.append(result)
  json.dump(results, sys.stdout)


if __name__ == '__main__':
  main()
