"""Which packets arrived: what an ACK tells, and how a repeated packet is known."""

from protocol.limits import ACK_SPAN


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
