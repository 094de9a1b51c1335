"""When a receiver acknowledges, and what an ACK says."""

import math
from collections import OrderedDict
from collections.abc import Callable

from protocol.recovery.ack_ranges import ACK_BYTES, ACK_LATEST, ACK_PACKETS, ACK_SECONDS, Arrivals, quiet_seconds
from protocol.wire.fields import Done
from protocol.wire.limits import ACK_SPAN, MAX_DONE
from protocol.wire.packets import Ack

#: An ACK apart from its list, and a row of that, in bytes, at most.
_FIXED_BYTES = 16
_ROW_BYTES = 11


class AckScheduler:
    """The numbered packets that came on one connection, and which of them the sender has not heard of."""

    def __init__(self, now: float) -> None:
        self._arrivals = Arrivals()
        self._waiting = self._waiting_bytes = 0
        self._waiting_since = now
        self._due = math.inf
        self._largest_at = now
        self._biggest = 0
        #: The link's rate as the sender told it, in bit/s; 0 if unknown.
        self.rate = 0.0
        self._touched: OrderedDict[int, None] = OrderedDict()
        self._told: OrderedDict[int, int] = OrderedDict()
        # Pictures that failed here, with the last packet that came of each: who hears that it arrived must hear that
        # it was thrown away, too, or would take the picture for delivered.
        self._failed: dict[int, int] = {}

    def has(self, number: int) -> bool:
        """Whether a packet came before, or is so old that it must be taken as repeated."""
        return self._arrivals.has(number)

    def again(self, now: float) -> None:
        """Note that a packet came again: the sender has not heard that it came before."""
        self._told.clear()
        self._due = now

    def add(self, number: int, image: int, size: int, *, urgent: bool, needless: bool, now: float) -> None:
        """Note a packet: acknowledged at once if it brought news, was needless or came out of order, else with others.

        Args:
            number: its packet number.
            image: what it is of.
            size: its bytes.
            urgent: whether it brought news.
            needless: whether nobody needed it.
            now: the present, in seconds.
        """
        if needless:
            self._told.pop(image, None)
        in_order = self._arrivals.add(number)
        if self._arrivals.largest == number:
            self._largest_at = now
        self._touched[image] = None
        self._touched.move_to_end(image)
        if len(self._touched) > MAX_DONE:
            self._touched.popitem(last=False)
        if not self._waiting:
            self._waiting_since = now
        self._waiting += 1
        self._waiting_bytes += size
        self._biggest = max(self._biggest, size)
        worth = self._waiting_bytes >= ACK_BYTES
        enough = (worth and self._waiting >= ACK_PACKETS) or self._waiting >= ACK_LATEST
        if urgent or needless or not in_order or enough:
            self._due = now
        elif self._due > now:
            longest = self._waiting_since + ACK_SECONDS if worth else math.inf
            self._due = min(now + quiet_seconds(self._biggest, self.rate), max(now, longest))

    def add_failed(self, number: int, image: int, size: int, room: int, now: float) -> None:
        """Note a packet of a picture that failed here; not, if an ACK has no room to tell, so that it comes again."""
        failed = self._forget_failed()
        if image in failed or len(failed) < _rows(room):
            failed[image] = max(number, failed.get(image, 0))
            self.add(number, image, size, urgent=True, needless=True, now=now)

    def ack(self, now: float, room: int, done_mask: Callable[[int], int]) -> Ack | None:
        """The ACK to send now, if one is due.

        Args:
            now: the present, in seconds.
            room: the largest array that the link takes, in bytes.
            done_mask: the complete sections of a picture, bit i for section i.
        """
        if now < self._due or not self._arrivals.largest:
            return None
        masks = ((image, done_mask(image)) for image in self._touched if image not in self._failed)
        rows = [Done(image=image, sections=mask) for image, mask in masks if mask and self._told.get(image) != mask]
        failed = [Done(image=image, sections=0) for image in self._forget_failed()]
        rows = rows[max(0, len(rows) + len(failed) - _rows(room)) :]
        self._told.update((row.image, row.sections) for row in rows)
        while len(self._told) > MAX_DONE:
            self._told.popitem(last=False)
        self._due = math.inf
        self._waiting = self._waiting_bytes = 0
        self._touched.clear()
        return Ack(
            largest=self._arrivals.largest,
            missing=self._arrivals.missing,
            delay=min(0xFFFF, round(1000 * (now - self._largest_at))),
            done=(*failed, *rows),
        )

    def _forget_failed(self) -> dict[int, int]:
        """The failed pictures that an ACK may still acknowledge a packet of."""
        oldest = self._arrivals.largest - ACK_SPAN
        self._failed = {image: last for image, last in self._failed.items() if last >= oldest}
        return self._failed

    def next_ack(self) -> float:
        """When an ACK is due, in seconds; infinite if none is."""
        return self._due


def _rows(room: int) -> int:
    """How many pictures an array of so many bytes can tell of."""
    return min(MAX_DONE, max(1, (room - _FIXED_BYTES) // _ROW_BYTES))
