"""What a receiver asks its sender for: repeated until the sender acknowledges it."""

from dataclasses import dataclass

from protocol.recovery.ack_ranges import acknowledged
from protocol.wire.packets import Ack, Cancel, Prio, Want

#: Requests that may wait for their acknowledgement; of more, the oldest is forgotten.
MAX_REQUESTS = 32

#: How long a request waits until it is repeated, in seconds; doubles every time, up to the longest.
FIRST_WAIT = 3.0
LONGEST_WAIT = 60.0

Request = Want | Prio | Cancel


@dataclass(slots=True)
class _Waiting:
    request: Request
    due: float
    wait: float


class Requests:
    """The requests of one connection that are not acknowledged. They are numbered from 1."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: dict[int, _Waiting] = {}

    @property
    def next_number(self) -> int:
        """The number that the next request bears."""
        return self._last + 1

    def add(self, request: Request) -> None:
        """Ask for something, at once."""
        self._last += 1
        self._waiting[self._last] = _Waiting(request, float("-inf"), FIRST_WAIT)
        if len(self._waiting) > MAX_REQUESTS:
            del self._waiting[min(self._waiting)]

    def acknowledge(self, ack: Ack) -> None:
        """Note what the sender took."""
        for number in acknowledged(ack.largest, ack.missing):
            self._waiting.pop(number, None)

    def due(self, now: float) -> Request | None:
        """A request to send now, if there is one; it is repeated later if need be."""
        for waiting in self._waiting.values():
            if now >= waiting.due:
                waiting.due = now + waiting.wait
                waiting.wait = min(2 * waiting.wait, LONGEST_WAIT)
                return waiting.request
        return None

    def next_due(self) -> float:
        """When a request is to be sent next, in seconds; infinite if none is."""
        return min((waiting.due for waiting in self._waiting.values()), default=float("inf"))
