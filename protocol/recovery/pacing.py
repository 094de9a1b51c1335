"""Link measurements from acknowledgements: the delivery rate, the round trip, and the time of the next packet.

The rate is the maximum of recent delivery rates, as BBR measures it (draft-cheng-iccrg-delivery-rate-estimation); the
round trip is smoothed as in RFC 9002 section 5.
"""

import math
import operator
from collections import deque
from collections.abc import Callable

from protocol.recovery.window import HEADROOM

#: The rate assumed on an unknown link, in bit/s. Low, because too much data blocks a slow link for long, while a fast
#: link is discovered within a few round trips.
ASSUMED_RATE = 16_000.0

#: The lowest rate assumed of any link, in bit/s, so that every wait ends.
MIN_RATE = 40.0

#: The highest rate assumed of any link, in bit/s, whatever its acknowledgements claim.
MAX_RATE = 1e10

#: How long a minimum round trip stays valid, in seconds.
MIN_RTT_SECONDS = 60.0

#: How long a rate sample stays valid: this many round trips, and at least this many seconds.
RATE_ROUND_TRIPS = 10
RATE_SECONDS = 5.0

#: The share of the link for replies that a peer requests (PONG, ACK of requests), and the largest burst, in bytes.
REPLY_SHARE = 0.05
REPLY_BURST_BYTES = 512

#: Timers are coarse: the pacer makes up for this much lost sending time, in seconds.
BURST_SECONDS = 0.005


class WindowedFilter:
    """The best of the recent values. The newest value is kept however old, so there is one after the first `add`.

    Args:
        better: whether the first value is better than the second.
    """

    def __init__(self, better: Callable[[float, float], bool]) -> None:
        self._better = better
        self._values: deque[tuple[float, float]] = deque()

    def add(self, value: float, now: float, seconds: float) -> None:
        """Add a value, and drop those older than `seconds`."""
        while self._values and not self._better(self._values[-1][1], value):
            self._values.pop()
        self._values.append((now, value))
        while len(self._values) > 1 and self._values[0][0] < now - seconds:
            self._values.popleft()

    @property
    def best(self) -> float | None:
        """The best value, or None before the first."""
        return self._values[0][1] if self._values else None


class RttEstimator:
    """The round trip estimates of RFC 9002 section 5, in seconds.

    Args:
        assumed: the round trip assumed before the first sample.

    Attributes:
        smoothed: the exponentially weighted moving average.
        latest: the last sample.
    """

    def __init__(self, assumed: float) -> None:
        self.smoothed = assumed
        self.latest = assumed
        self._variation = assumed / 2
        self._minimum = WindowedFilter(operator.lt)

    @property
    def minimum(self) -> float:
        """The minimum of the recent samples; the assumed round trip before the first one."""
        return self.smoothed if self._minimum.best is None else self._minimum.best

    @property
    def probe_timeout(self) -> float:
        """How long to wait for an acknowledgement before sending again (RFC 9002 section 6.2.1), without ACK delay."""
        return self.smoothed + max(4 * self._variation, 0.01)

    def update(self, sample: float, now: float) -> None:
        """Add a measured round trip."""
        first = self._minimum.best is None
        self._minimum.add(sample, now, MIN_RTT_SECONDS)
        self.latest = sample
        if first:
            self.smoothed, self._variation = sample, sample / 2
            return
        self._variation += (abs(self.smoothed - sample) - self._variation) / 4
        self.smoothed += (sample - self.smoothed) / 8


class Pacer:
    """The sending rate, and the time at which the next packet may leave.

    Args:
        configured_rate: the link's rate as configured, in bit/s, never exceeded; 0 if unknown.
        always: whether to pace at an assumed rate too, because the link has no feedback to limit the sender.

    Attributes:
        configured_rate: as above.
    """

    def __init__(self, configured_rate: float, *, always: bool = False) -> None:
        self.configured_rate = configured_rate
        self._measured = WindowedFilter(operator.gt)
        # Isolated packets give only a lower bound of the rate; a busy link gives the rate itself.
        self._rate_known = configured_rate > 0 or always
        self._next_send_at = -math.inf

    @property
    def rate(self) -> float:
        """The link's rate as measured or configured, in bit/s."""
        measured = self._measured.best
        if measured is None:
            return max(MIN_RATE, self.configured_rate or ASSUMED_RATE)
        return max(MIN_RATE, min(measured, self.configured_rate or math.inf))

    @property
    def rate_known(self) -> bool:
        """Whether the rate is configured or measured, not assumed."""
        return self._rate_known

    @property
    def pacing_rate(self) -> float:
        """The sending rate, in bit/s: above the measured rate, so that a faster link is discovered."""
        return min(HEADROOM * self.rate, self.configured_rate or math.inf)

    @property
    def next_send_at(self) -> float:
        """When the next packet may leave, in seconds."""
        return self._next_send_at

    def configure(self, rate: float) -> None:
        """Replace the configured rate, in bit/s; 0 if unknown. What was measured before counts no more."""
        self.configured_rate = rate
        self._measured = WindowedFilter(operator.gt)
        self._rate_known = rate > 0
        self._next_send_at = -math.inf

    def on_rate_sample(self, rate: float, now: float, round_trip: float, *, saturated: bool) -> None:
        """Add a delivery rate, in bit/s; a sample of an idle link counts only if it is higher than the current rate.

        Args:
            rate: the delivery rate, in bit/s.
            now: the current time, in seconds.
            round_trip: the minimum round trip, in seconds.
            saturated: whether the sender kept the link busy.
        """
        if self._measured.best is None and self.configured_rate:
            self._measured.add(self.configured_rate, now, RATE_SECONDS)
        rate = min(rate, MAX_RATE)
        self._rate_known |= saturated
        if saturated or rate > self.rate:
            self._measured.add(rate, now, max(RATE_SECONDS, RATE_ROUND_TRIPS * round_trip))

    def on_packet_sent(self, size: int, now: float) -> None:
        """Delay the next packet by the transmission time of this one; only the window limits an unknown rate."""
        if not self._rate_known:
            return
        self._next_send_at = max(self._next_send_at, now - BURST_SECONDS) + 8 * size / self.pacing_rate


class TokenBucket:
    """The bytes that replies to a peer's requests may take: a small share of the link."""

    def __init__(self) -> None:
        self._tokens: float = REPLY_BURST_BYTES
        self._at = 0.0

    def spend(self, size: int, now: float, rate: float) -> bool:
        """Return whether `size` bytes may be sent now on a link of `rate` bit/s, and spend them if so."""
        self._tokens = min(REPLY_BURST_BYTES, self._tokens + max(0.0, now - self._at) * rate / 8 * REPLY_SHARE)
        self._at = now
        if self._tokens < size:
            return False
        self._tokens -= size
        return True
