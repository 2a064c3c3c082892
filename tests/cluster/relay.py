"""A slow line: passes TCP connections on, late, and now and then not at all.

  python -m tests.cluster.relay --port=5000 --to=10.77.0.1:5000 --delay=0.05 \
      --stall_every=10 --stall=1

For kernels without `tc netem`.
"""

import argparse
import asyncio
import time


class _Line:
  """What all connections have in common."""

  def __init__(self, delay: float, stall_every: float, stall: float):
    self._delay = delay
    self._stall_every = stall_every
    self._stall = stall

  async def carry(self, reader: asyncio.StreamReader,
                  writer: asyncio.StreamWriter) -> None:
    """One direction: each piece arrives `delay` after it was sent."""
    pieces: asyncio.Queue = asyncio.Queue(1000)

    async def read() -> None:
      while True:
        data = await reader.read(1 << 16)
        await pieces.put((time.monotonic() + self._delay, data))
        if not data:
          return

    task = asyncio.create_task(read())
    try:
      while True:
        due, data = await pieces.get()
        await asyncio.sleep(max(0.0, due - time.monotonic(), self._stalled()))
        if not data:
          break
        writer.write(data)
        await writer.drain()
    except ConnectionError:
      pass
    finally:
      task.cancel()
      writer.close()

  def _stalled(self) -> float:
    """Seconds until the line is open."""
    return max(0.0, self._stall - time.monotonic() % self._stall_every)


async def _serve(args: argparse.Namespace) -> None:
  line = _Line(args.delay, args.stall_every, args.stall)
  host, _, port = args.to.rpartition(':')

  async def connect(reader: asyncio.StreamReader,
                    writer: asyncio.StreamWriter) -> None:
    try:
      far = await asyncio.open_connection(host, int(port))
    except OSError:
      writer.close()
      return
    await asyncio.gather(line.carry(reader, far[1]), line.carry(far[0], writer))

  server = await asyncio.start_server(connect, '127.0.0.1', args.port)
  await server.serve_forever()


def main() -> None:
  """Passes on until it is ended."""
  parser = argparse.ArgumentParser('relay')
  parser.add_argument('--port', type=int, required=True)
  parser.add_argument('--to', required=True)
  parser.add_argument('--delay', type=float, default=0.0)
  parser.add_argument('--stall_every', type=float, default=10.0)
  parser.add_argument('--stall', type=float, default=0.0)
  asyncio.run(_serve(parser.parse_args()))


if __name__ == '__main__':
  main()
