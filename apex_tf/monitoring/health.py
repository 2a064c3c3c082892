"""Answers an engine that asks whether a role is alive, and whether at work.

  GET /healthz  200 while the process answers at all
  GET /readyz   200 once the role is at work, 503 while it starts or waits

Both with one line of JSON. That a role is alive and gets nowhere is for people,
not for an engine to end: `stalls` says so.
"""

import http.server
import json
import threading
import time
from typing import Any

from apex_tf.monitoring import metrics as metrics_lib


class _Handler(http.server.BaseHTTPRequestHandler):
  """Of `HealthServer`."""
  server: 'HealthServer'
  timeout = 10.0  # Seconds for a request that is never finished.

  def do_GET(self) -> None:  # pylint: disable=invalid-name
    """Answers both paths."""
    ready = self.server.is_ready
    if self.path == '/healthz':
      code = 200
    elif self.path == '/readyz':
      code = 200 if ready else 503
    else:
      self.send_error(404)
      return
    body = json.dumps({
        'role': self.server.role, 'ready': ready,
        'seconds': round(time.monotonic() - self.server.since, 1),
        'resident_megabytes': round(metrics_lib.resident_megabytes(), 1),
    }).encode() + b'\n'
    self.send_response(code)
    self.send_header('Content-Type', 'application/json')
    self.send_header('Content-Length', str(len(body)))
    self.end_headers()
    self.wfile.write(body)

  def log_message(self, *unused_arguments: Any) -> None:
    """Nothing: it is asked every few seconds."""


class HealthServer(http.server.ThreadingHTTPServer):
  """Serves from a thread of its own, from the beginning on."""
  daemon_threads = True

  def __init__(self, port: int, role: str):
    """Starts it.

    Args:
      port: to listen on; 0 picks a free one, which is `server_port`.
      role: whose process this is.

    Raises:
      OSError: the port is taken.
    """
    self.role = role
    self.since = time.monotonic()
    self.is_ready = False
    super().__init__(('', port), _Handler)
    threading.Thread(
        target=self.serve_forever, name='health', daemon=True).start()

  def set_ready(self) -> None:
    """From now on the role is at work."""
    self.is_ready = True
