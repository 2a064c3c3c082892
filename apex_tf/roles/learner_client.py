"""How the other roles reach the learner."""

import courier

# Longest wait for an answer; also bounds how late a role sees that it is to
# stop.
_CALL_TIMEOUT_SECONDS = 5.0


def connect(address: str) -> courier.Client:
  """A client of the `LearnerService` at `host:port`.

  Its methods are the service's. They wait for a server that is not there yet,
  and raise Courier's `StatusNotOk` when no answer comes in time.
  """
  return courier.Client(address, call_timeout=_CALL_TIMEOUT_SECONDS)
