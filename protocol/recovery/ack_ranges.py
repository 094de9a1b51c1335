"""Which packets arrived: what an ACK tells, how a repeated packet is known, and how often to tell."""

from protocol.wire.limits import ACK_SPAN

#: An ACK without news waits for so many bytes, so that what goes back stays below 5 % of what came; then until there
#: are so many packets, or for so many seconds; and for no more than a part of those that it can tell of.
ACK_BYTES = 400
ACK_PACKETS = 6
ACK_SECONDS = 3.0
ACK_LATEST = ACK_SPAN // 2

#: It waits no longer than this after the last packet, in seconds, and so many packets' time.
ACK_DELAY = 0.025
QUIET_PACKETS = 2


def quiet_seconds(largest: int, rate: float) -> float:
    """How long after a packet nothing more can be expected, in seconds; both ends reckon with it.

    Args:
        largest: the largest packet so far, in bytes.
        rate: the link's as the sender told it, in bit/s; 0 if unknown.
    """
    return ACK_DELAY + (8 * QUIET_PACKETS * largest / rate if rate else 0.0)


class Arrivals:
    """The packet numbers that came, as the largest one and a bitmap of those just below it."""

    def __init__(self) -> None:
        self.largest = 0
        #: Bit i: packet `largest - 1 - i` has not come.
        self.missing = 0

    def has(self, number: int) -> bool:
        """Whether a packet came before, or is so old that it must be taken as repeated."""
        if number > self.largest:
            return False
        distance = self.largest - number
        return distance == 0 or distance > ACK_SPAN or not self.missing >> (distance - 1) & 1

    def add(self, number: int) -> bool:
        """Note a packet; true if it came in order, right after the largest so far."""
        if number <= self.largest:
            if number < self.largest:
                self.missing &= ~(1 << (self.largest - 1 - number))
            return False
        step = number - self.largest
        skipped = (1 << min(step - 1, ACK_SPAN)) - 1
        # The packet that was the largest has come; it stands above the old bits and below the skipped ones.
        self.missing = (self.missing << min(step, 2 * ACK_SPAN) | skipped) & ((1 << ACK_SPAN) - 1)
        self.missing &= (1 << min(number - 1, ACK_SPAN)) - 1
        self.largest = number
        return step == 1


def acknowledged(largest: int, missing: int) -> list[int]:
    """The packet numbers that an ACK acknowledges, largest first."""
    numbers = [largest]
    numbers += [largest - 1 - i for i in range(min(ACK_SPAN, largest - 1)) if not missing >> i & 1]
    return numbers
