"""Has a run of the real program survive many faults, in a random order.

  python -m tests.faults --faults=60 --seed=0 --output=FILE.md

Every line that it prints is a fault that was survived. The exit code is 1, and
the run directory is kept and named, where one was not.
"""

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from tests import small_disk
from tests.faults import harness
from tests.faults import inspector


def _parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
      'tests.faults', description=__doc__.splitlines()[0])
  parser.add_argument('--faults', type=int, default=60, help='how many')
  parser.add_argument('--seed', type=int, default=0,
                      help='of their order, targets and moments')
  parser.add_argument('--stop_seconds', type=float, default=20.0,
                      help='for which SIGSTOP lasts')
  parser.add_argument('--disk_seconds', type=float, default=20.0,
                      help='for which the disk is full')
  parser.add_argument('--kinds', default=','.join(harness.KINDS),
                      help='of the faults (default: %(default)s)')
  parser.add_argument('--output', help='Markdown file for the table')
  args = parser.parse_args()
  if unknown := set(args.kinds.split(',')) - set(harness.KINDS):
    parser.error(f'kinds has {sorted(unknown)}, but must be of {harness.KINDS}')
  return args


def _say(text: str) -> None:
  print(f'{time.strftime("%H:%M:%S")} {text}', flush=True)


def main() -> int:
  args = _parse()
  # Whoever ends this ends the run, too.
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
  folder = pathlib.Path(tempfile.mkdtemp(prefix='apex_tf_faults_'))
  start = time.monotonic()
  try:
    campaign = harness.Campaign(folder, _say)
  except small_disk.NoMountsError as error:
    print(f'tests.faults: {error}', file=sys.stderr)
    return 1
  unsurvived = ''
  try:
    campaign.run(harness.draw(args.seed, args.faults, args.stop_seconds,
                              args.disk_seconds, args.kinds.split(',')))
  except inspector.Unsurvived as error:
    unsurvived = f'NOT SURVIVED: {error}\n'
  finally:
    campaign.close()
    if not unsurvived:
      shutil.rmtree(folder)
  report = ''.join((
      harness.table(campaign.rows), '\n',
      unsurvived or 'All were survived.\n',
      f'{len(campaign.rows)} of {args.faults} faults, seed {args.seed}, '
      f'{campaign.launches} launches, '
      f'{(time.monotonic() - start) / 60:.0f} minutes.\n'))
  print(report, end='', flush=True)
  if args.output:
    pathlib.Path(args.output).write_text(report)
  return 1 if unsurvived else 0


if __name__ == '__main__':
  sys.exit(main())
