"""The requests that a sender receives: each is carried out once, and acknowledged every time it arrives."""

from protocol.recovery.ack_ranges import ReceivedPackets
from protocol.wire.packets import Ack


class PeerRequests:
    """The WANT, PRIO and CANCEL packets received over one transport."""

    def __init__(self) -> None:
        self._received = ReceivedPackets()
        self._ack_due = False

    def accept(self, number: int) -> bool:
        """Record a request and schedule its ACK; return whether it is new."""
        self._ack_due = True
        if self._received.has(number):
            return False
        self._received.add(number)
        return True

    def take_ack(self) -> Ack | None:
        """Return the ACK to send now, or None if none is due."""
        if not self._ack_due:
            return None
        self._ack_due = False
        return Ack(largest=self._received.largest, missing=self._received.missing)
