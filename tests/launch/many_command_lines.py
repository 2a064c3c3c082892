"""Runs a program with many command lines, each in a process of its own.

The program is `launch.train`, or the module of `launch` that is named. Reads a
JSON list of command lines on standard input, and writes a JSON list of [exit
code, standard output, standard error] on standard output. What is imported
before the command line is looked at is imported once; from there on, each
command line has a fresh copy of this process.
"""

import importlib
import json
import os
import sys
import tempfile
from typing import List, Tuple

from launch import command_line


def _run(path: str, argv: List[str]) -> Tuple[int, str, str]:
  """In the child, returns into `main`, as -1; in the parent, the result."""
  with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
    pid = os.fork()
    if not pid:
      os.dup2(out.fileno(), 1)
      os.dup2(err.fileno(), 2)
      sys.argv = [path, *argv]
      return -1, '', ''
    _, status = os.waitpid(pid, 0)
    out.seek(0)
    err.seek(0)
    return (os.waitstatus_to_exitcode(status), out.read().decode(),
            err.read().decode())


def main() -> None:
  program = importlib.import_module(f'launch.{(*sys.argv, "train")[1]}')
  results = []
  for argv in json.load(sys.stdin):
    result = _run(str(program.__file__), argv)
    if result[0] == -1:
      command_line.run(program.main)
      return
    results.append(result)
  json.dump(results, sys.stdout)


if __name__ == '__main__':
  main()
