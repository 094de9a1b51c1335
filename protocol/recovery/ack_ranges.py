"""Received packet numbers: the contents of an ACK, the recognition of duplicates, and the ACK frequency."""

from protocol.wire.limits import ACK_SPAN

#: A delayed ACK waits for this many bytes, so that ACKs stay below 5 % of the received bytes; then for this many
#: packets or seconds; and never for more than ACK_LATEST packets, half of those that an ACK can cover.
ACK_BYTES = 400
ACK_PACKETS = 6
ACK_SECONDS = 3.0
ACK_LATEST = ACK_SPAN // 2

#: It waits at most this long after the last packet, in seconds, plus the transmission time of this many packets.
ACK_DELAY = 0.025
ACK_DELAY_PACKETS = 2


def max_ack_delay(largest: int, rate: float) -> float:
    """Return how long an ACK waits for another packet, in seconds; both ends use it (RFC 9002 `max_ack_delay`).

    Args:
        largest: the largest packet so far, in bytes.
        rate: the link's rate as announced in HELLO, in bit/s; 0 if unknown.
    """
    return ACK_DELAY + (8 * ACK_DELAY_PACKETS * largest / rate if rate else 0.0)


class ReceivedPackets:
    """The packet numbers received: the largest one and a bitmap of those just below it."""

    def __init__(self) -> None:
        self.largest = 0
        #: Bit i is set while packet `largest - 1 - i` is missing.
        self.missing = 0

    def has(self, number: int) -> bool:
        """Return whether a packet was received before, or is so old that it counts as a duplicate."""
        if number > self.largest:
            return False
        distance = self.largest - number
        return distance == 0 or distance > ACK_SPAN or not self.missing >> (distance - 1) & 1

    def add(self, number: int) -> bool:
        """Record a packet; return whether it arrived in order, directly after the largest so far."""
        if number <= self.largest:
            if number < self.largest:
                self.missing &= ~(1 << (self.largest - 1 - number))
            return False
        step = number - self.largest
        skipped = (1 << min(step - 1, ACK_SPAN)) - 1
        # The previous largest packet was received: its bit is 0, above the old bits and below the skipped ones.
        self.missing = (self.missing << min(step, 2 * ACK_SPAN) | skipped) & ((1 << ACK_SPAN) - 1)
        self.missing &= (1 << min(number - 1, ACK_SPAN)) - 1
        self.largest = number
        return step == 1


def acknowledged(largest: int, missing: int) -> list[int]:
    """Return the packet numbers that an ACK acknowledges, largest first."""
    numbers = [largest]
    numbers += [largest - 1 - i for i in range(min(ACK_SPAN, largest - 1)) if not missing >> i & 1]
    return numbers
