"""When a receiver sends ACK, and what the ACK contains."""

import math
from collections import OrderedDict
from collections.abc import Callable

from protocol.recovery.ack_ranges import (
    ACK_BYTES,
    ACK_LATEST,
    ACK_PACKETS,
    ACK_SECONDS,
    ReceivedPackets,
    max_ack_delay,
)
from protocol.wire.fields import Done
from protocol.wire.limits import ACK_SPAN, MAX_DONE
from protocol.wire.packets import Ack

#: The largest size of an ACK without its rows, and of one row, in bytes.
_FIXED_BYTES = 16
_ROW_BYTES = 11


class AckScheduler:
    """The numbered packets received on one connection, and the ACK that is due for them.

    Args:
        now: the current time, in seconds.

    Attributes:
        rate: the link's rate as announced in HELLO, in bit/s; 0 if unknown.
    """

    def __init__(self, now: float) -> None:
        self.rate = 0.0
        self._received = ReceivedPackets()
        self._pending = self._pending_bytes = 0
        self._pending_since = now
        self._due = math.inf
        self._largest_at = now
        self._max_size = 0
        self._touched: OrderedDict[int, None] = OrderedDict()
        self._reported: OrderedDict[int, int] = OrderedDict()
        # Failed pictures, with the last packet received of each. An ACK of such a packet must also report the failure,
        # or the sender would count the picture as delivered.
        self._failed: dict[int, int] = {}

    def has(self, number: int) -> bool:
        """Return whether a packet was received before, or is so old that it counts as a duplicate."""
        return self._received.has(number)

    def on_duplicate(self, now: float) -> None:
        """Schedule an ACK at once: a duplicate shows that the sender missed an earlier one."""
        self._reported.clear()
        self._due = now

    def on_packet_received(
        self, number: int, picture_id: int, size: int, *, urgent: bool, needless: bool, now: float
    ) -> None:
        """Record a packet; schedule its ACK at once if it is urgent, needless or out of order, else delayed.

        Args:
            number: the packet number.
            picture_id: the picture that the packet belongs to.
            size: the packet's size, in bytes.
            urgent: whether the packet produced an event, such as a complete section.
            needless: whether the picture was finished already.
            now: the current time, in seconds.
        """
        if needless:
            self._reported.pop(picture_id, None)
        in_order = self._received.add(number)
        if self._received.largest == number:
            self._largest_at = now
        self._touched[picture_id] = None
        self._touched.move_to_end(picture_id)
        if len(self._touched) > MAX_DONE:
            self._touched.popitem(last=False)
        if not self._pending:
            self._pending_since = now
        self._pending += 1
        self._pending_bytes += size
        self._max_size = max(self._max_size, size)
        worth = self._pending_bytes >= ACK_BYTES
        enough = (worth and self._pending >= ACK_PACKETS) or self._pending >= ACK_LATEST
        if urgent or needless or not in_order or enough:
            self._due = now
        elif self._due > now:
            longest = self._pending_since + ACK_SECONDS if worth else math.inf
            self._due = min(now + max_ack_delay(self._max_size, self.rate), max(now, longest))

    def on_failed_packet(self, number: int, picture_id: int, size: int, room: int, now: float) -> None:
        """Record a packet of a failed picture.

        If an ACK has no room to report the failure, the packet stays unacknowledged, so that the sender retransmits it.

        Args:
            number: the packet number.
            picture_id: the failed picture.
            size: the packet's size, in bytes.
            room: the largest ACK array that the link carries, in bytes.
            now: the current time, in seconds.
        """
        failed = self._recent_failures()
        if picture_id in failed or len(failed) < _max_rows(room):
            failed[picture_id] = max(number, failed.get(picture_id, 0))
            self.on_packet_received(number, picture_id, size, urgent=True, needless=True, now=now)

    def take_ack(self, now: float, room: int, done_mask: Callable[[int], int]) -> Ack | None:
        """Return the ACK to send now, or None if none is due.

        Args:
            now: the current time, in seconds.
            room: the largest array that the link carries, in bytes.
            done_mask: returns the complete sections of a picture, bit i for section i.
        """
        if now < self._due or not self._received.largest:
            return None
        masks = ((one, done_mask(one)) for one in self._touched if one not in self._failed)
        rows = [Done(image=one, sections=mask) for one, mask in masks if mask and self._reported.get(one) != mask]
        failed = [Done(image=one, sections=0) for one in self._recent_failures()]
        rows = rows[max(0, len(rows) + len(failed) - _max_rows(room)) :]
        self._reported.update((row.image, row.sections) for row in rows)
        while len(self._reported) > MAX_DONE:
            self._reported.popitem(last=False)
        self._due = math.inf
        self._pending = self._pending_bytes = 0
        self._touched.clear()
        return Ack(
            largest=self._received.largest,
            missing=self._received.missing,
            delay=min(0xFFFF, round(1000 * (now - self._largest_at))),
            done=(*failed, *rows),
        )

    def next_timer(self) -> float:
        """Return when an ACK is due, in seconds; infinite if none is."""
        return self._due

    def _recent_failures(self) -> dict[int, int]:
        """Drop the failed pictures whose packets an ACK no longer covers, and return the others."""
        oldest = self._received.largest - ACK_SPAN
        self._failed = {picture_id: last for picture_id, last in self._failed.items() if last >= oldest}
        return self._failed


def _max_rows(room: int) -> int:
    """Return how many rows fit into an array of `room` bytes."""
    return min(MAX_DONE, max(1, (room - _FIXED_BYTES) // _ROW_BYTES))
