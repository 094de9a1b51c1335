"""The requests of a receiver: repeated until the sender acknowledges them."""

from dataclasses import dataclass

from protocol.recovery.ack_ranges import acknowledged
from protocol.wire.packets import Ack, Cancel, Prio, Want

#: The most unacknowledged requests; beyond that, the oldest is dropped.
MAX_REQUESTS = 32

#: How long to wait before repeating a request, in seconds; doubles every time, up to the maximum.
REQUEST_TIMEOUT = 3.0
MAX_REQUEST_TIMEOUT = 60.0

Request = Want | Prio | Cancel


@dataclass(slots=True)
class _Pending:
    request: Request
    due: float
    timeout: float


class Requests:
    """The unacknowledged requests of one connection, numbered from 1."""

    def __init__(self) -> None:
        self._last = 0
        self._pending: dict[int, _Pending] = {}

    @property
    def next_number(self) -> int:
        """The number of the next request."""
        return self._last + 1

    def add(self, request: Request) -> None:
        """Add a request, to be sent at once."""
        self._last += 1
        self._pending[self._last] = _Pending(request, float("-inf"), REQUEST_TIMEOUT)
        if len(self._pending) > MAX_REQUESTS:
            del self._pending[min(self._pending)]

    def on_ack_received(self, ack: Ack) -> None:
        """Remove the requests that an ACK acknowledges."""
        for number in acknowledged(ack.largest, ack.missing):
            self._pending.pop(number, None)

    def take_due(self, now: float) -> Request | None:
        """Return a request to send now, or None, and schedule its repetition."""
        for pending in self._pending.values():
            if now >= pending.due:
                pending.due = now + pending.timeout
                pending.timeout = min(2 * pending.timeout, MAX_REQUEST_TIMEOUT)
                return pending.request
        return None

    def next_timer(self) -> float:
        """Return when the next request is due, in seconds; infinite if there is none."""
        return min((pending.due for pending in self._pending.values()), default=float("inf"))
