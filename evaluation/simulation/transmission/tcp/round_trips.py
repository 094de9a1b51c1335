"""The retransmission timeout of TCP: RFC 6298 with the variation as Linux keeps it (tcp_rtt_estimator)."""

#: The least part of the timeout beyond the round trip (Linux TCP_RTO_MIN), and the longest timeout, in seconds.
LEAST_MARGIN, LONGEST_TIMEOUT = 0.2, 120.0


class RoundTrips:
    """The round trips of a connection.

    Args:
        first: the round trip of its handshake, in seconds.

    Attributes:
        smoothed, latest, least: the round trip, in seconds.
    """

    def __init__(self, first: float) -> None:
        self.smoothed = self.latest = self.least = first
        # Four times the mean deviation, its largest value in this round, and the part of the timeout made of it.
        self._deviation = 2 * first
        self._margin = self._largest = max(self._deviation, LEAST_MARGIN)
        self._round_ends = 0

    @property
    def timeout(self) -> float:
        """How long an acknowledgement may take, in seconds."""
        return min(self.smoothed + self._margin, LONGEST_TIMEOUT)

    def update(self, sample: float, *, acknowledged: int, sent: int) -> None:
        """Add a round trip.

        Args:
            sample: the round trip, in seconds.
            acknowledged: bytes acknowledged so far.
            sent: bytes sent so far; a round ends when they are acknowledged.
        """
        self.latest, self.least = sample, min(self.least, sample)
        error = sample - self.smoothed
        self.smoothed += error / 8
        change = abs(error) - self._deviation / 4
        # A round trip that shrinks must not widen the deviation as much as one that grows.
        self._deviation += change / 8 if error < 0 < change else change
        if self._deviation > self._largest:
            self._largest = self._deviation
            self._margin = max(self._margin, self._largest)
        if acknowledged > self._round_ends:
            if self._largest < self._margin:
                self._margin -= (self._margin - self._largest) / 4
            self._round_ends, self._largest = sent, LEAST_MARGIN
