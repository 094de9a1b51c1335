"""What the link is like, measured from acknowledgements: its rate, its round trip, and when it is free again.

The rate is the largest one at which bytes were delivered lately, as BBR measures it
(draft-cheng-iccrg-delivery-rate-estimation); the round trip is smoothed as in RFC 9002 section 5.
"""

import math
import operator
from collections import deque
from collections.abc import Callable

from protocol.recovery.window import HEADROOM

#: The rate assumed of a link that nobody told us anything of, in bit/s. Low, because what a slow link was given too
#: much of at first stands in the way for long, and a fast one is found out within a few round trips.
ASSUMED_RATE = 16_000.0

#: No link is taken to be slower than this, in bit/s, so that no wait becomes endless.
LEAST_RATE = 40.0

#: How long a least round trip is believed, in seconds.
ROUND_TRIP_MEMORY = 60.0

#: How long a rate is believed: so many round trips, and at least so many seconds.
RATE_ROUND_TRIPS = 10
RATE_MEMORY = 5.0

#: No link is taken to be faster than this, in bit/s, whatever its acknowledgements claim.
MOST_RATE = 1e10

#: The share of the link that answers to a peer's questions may take, and how many bytes of them at once.
COURTESY_SHARE = 0.05
COURTESY_BYTES = 512

#: Timers are coarse; so much sending time may be made up for, in seconds.
BURST_SECONDS = 0.005


class WindowedFilter:
    """The best of the values seen lately. The newest is kept however old, so there always is one after the first."""

    def __init__(self, better: Callable[[float, float], bool]) -> None:
        self._better = better
        self._values: deque[tuple[float, float]] = deque()

    def add(self, value: float, now: float, memory: float) -> None:
        """Note a value, and forget those older than `memory` seconds."""
        while self._values and not self._better(self._values[-1][1], value):
            self._values.pop()
        self._values.append((now, value))
        while len(self._values) > 1 and self._values[0][0] < now - memory:
            self._values.popleft()

    @property
    def best(self) -> float | None:
        """The best value, or None before the first."""
        return self._values[0][1] if self._values else None


class RttEstimator:
    """The round trip's least, mean and variation, in seconds."""

    def __init__(self, assumed: float) -> None:
        self.smoothed = assumed
        self.latest = assumed
        self._variation = assumed / 2
        self._least = WindowedFilter(operator.lt)

    @property
    def least(self) -> float:
        """The least lately; the assumed one before the first measurement."""
        return self.smoothed if self._least.best is None else self._least.best

    @property
    def patience(self) -> float:
        """How long to wait for an acknowledgement before asking again (RFC 9002 section 6.2.1)."""
        return self.smoothed + max(4 * self._variation, 0.01)

    def add(self, sample: float, now: float) -> None:
        """Note a measured round trip."""
        first = self._least.best is None
        self._least.add(sample, now, ROUND_TRIP_MEMORY)
        self.latest = sample
        if first:
            self.smoothed, self._variation = sample, sample / 2
            return
        self._variation += (abs(self.smoothed - sample) - self._variation) / 4
        self.smoothed += (sample - self.smoothed) / 8


class Pacer:
    """How fast to send, and when the next packet may leave.

    Args:
        rate: the link's rate as it was told, in bit/s, which is never exceeded; 0 if unknown.
        always: whether to keep to it even if it is only assumed, because nothing else will hold us back.
    """

    def __init__(self, rate: float, *, always: bool = False) -> None:
        self.told = rate
        self._measured = WindowedFilter(operator.gt)
        # A few lone packets tell how slow a link is at most; only a busy link tells how slow it is.
        self._known = rate > 0 or always
        self._free_at = -math.inf

    @property
    def rate(self) -> float:
        """The link's rate, in bit/s."""
        measured = self._measured.best
        if measured is None:
            return max(LEAST_RATE, self.told or ASSUMED_RATE)
        return max(LEAST_RATE, min(measured, self.told or math.inf))

    @property
    def known(self) -> bool:
        """Whether the rate was told or measured."""
        return self._known

    @property
    def speed(self) -> float:
        """How fast to send, in bit/s: somewhat faster than measured, so that a faster link is discovered."""
        return min(HEADROOM * self.rate, self.told or math.inf)

    @property
    def free_at(self) -> float:
        """When the next packet may leave."""
        return self._free_at

    def sample(self, rate: float, now: float, round_trip: float, *, saturated: bool) -> None:
        """Note a rate of delivery, in bit/s; one of a link that was not kept busy counts only if it is a better one."""
        if self._measured.best is None and self.told:
            self._measured.add(self.told, now, RATE_MEMORY)
        rate = min(rate, MOST_RATE)
        self._known |= saturated
        if saturated or rate > self.rate:
            self._measured.add(rate, now, max(RATE_MEMORY, RATE_ROUND_TRIPS * round_trip))

    def sent(self, size: int, now: float) -> None:
        """Note that a packet of `size` bytes leaves now. While the rate is not known, only the window holds us back."""
        if not self._known:
            return
        self._free_at = max(self._free_at, now - BURST_SECONDS) + 8 * size / self.speed


class TokenBucket:
    """A small part of the link for what a peer asks for and nobody needs: a token bucket."""

    def __init__(self) -> None:
        self._left: float = COURTESY_BYTES
        self._at = 0.0

    def take(self, size: int, now: float, rate: float) -> bool:
        """Whether `size` bytes may be spent now, on a link of `rate` bit/s."""
        self._left = min(COURTESY_BYTES, self._left + max(0.0, now - self._at) * rate / 8 * COURTESY_SHARE)
        self._at = now
        if self._left < size:
            return False
        self._left -= size
        return True
