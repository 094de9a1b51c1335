"""Which packet goes next, and whether one may: pure functions.

Priority on a slow link exists only while the queue is ours. What a socket or a modem has taken cannot be overtaken, so
at most one bandwidth-delay product and a little is ever on its way, and a packet is chosen when it can leave.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protocol.limits import MIN_PACKET

#: A packet occupies the link for at most this long, in seconds: what an urgent one may find in its way.
PACKET_SECONDS = 0.25

#: Where every packet costs headers, those of a large picture are longer: until headers are this share of them, but no
#: longer than this, in seconds, and than this part of the picture, for of a small one there is little to save.
OVERHEAD_SHARE = 0.1
LONGEST_PACKET_SECONDS = 1.0
PICTURE_PART = 14

#: How much more than the measured rate may be on its way, so that a faster link is discovered.
HEADROOM = 1.25

#: The most that may be on its way on any link, in bytes: what is in flight is also what we must remember.
MAX_WINDOW = 1024 * 1024

#: How long the least urgent waits, in seconds, until it gets a share of the link, and how large a share that is.
STARVING_SECONDS = 10.0
STARVING_SHARE = 0.05

#: The section number of a picture's OFFER among its candidates.
OFFER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A packet that could be sent next.

    Attributes:
        urgency: 0 first, 7 last (RFC 9218).
        image: the picture's number; higher is newer.
        retransmit: whether it was sent before and lost.
        incremental: whether its section shares the link with others of its urgency (RFC 9218).
        section: the section's index, or `OFFER`.
        fragment: the fragment's index; of a repair piece, the last one of its group.
        repair: 0 for what the sender was given to send, else the repair piece's place in its group, from 1.
    """

    urgency: int
    image: int
    retransmit: bool
    incremental: bool
    section: int
    fragment: int
    repair: int = 0


def choose(candidates: Iterable[Candidate]) -> Candidate | None:
    """The candidate to send: most urgent, of the newest picture, lost before new, then in order.

    Incremental sections of one urgency take turns; the others go one after the other, and before them.
    """
    return min(candidates, key=_rank, default=None)


class FairShare:
    """Keeps the least urgent from waiting for ever, at the cost of a small share of the link."""

    def __init__(self) -> None:
        self._waiting_since: dict[int, float] = {}
        self._credit = 0.0

    def choose(self, candidates: Sequence[Candidate], now: float) -> Candidate | None:
        """Like `choose`, but what has waited for long goes first as far as its share allows."""
        waiting = {candidate.urgency for candidate in candidates}
        self._waiting_since = {urgency: self._waiting_since.get(urgency, now) for urgency in waiting}
        best = choose(candidates)
        if best is None or self._credit <= 0:
            return best
        last = max(waiting)
        if last == best.urgency or now - self._waiting_since[last] < STARVING_SECONDS:
            return best
        return choose(candidate for candidate in candidates if candidate.urgency == last)

    def sent(self, chosen: Candidate, size: int, now: float) -> None:
        """Note that a packet of `size` bytes left. It is paid for if others were more urgent."""
        if chosen.urgency > min(self._waiting_since, default=chosen.urgency):
            self._credit -= size
            return
        self._waiting_since[chosen.urgency] = now
        self._credit = min(1.0, self._credit + size * STARVING_SHARE / (1 - STARVING_SHARE))


def packet_size(rate: float, mtu: int, overhead: int = 0, picture: int = 0) -> int:
    """How large a packet should be on a link, in bytes: short in time, but not drowned in framing.

    Args:
        rate: the link's rate, in bit/s.
        mtu: the largest packet that it takes, in bytes.
        overhead: what a packet costs on it beside itself, in bytes.
        picture: how much there is to send, in bytes.
    """
    worth = min(overhead / OVERHEAD_SHARE, rate / 8 * LONGEST_PACKET_SECONDS, picture / PICTURE_PART)
    return min(mtu, max(MIN_PACKET, int(worth), int(rate / 8 * PACKET_SECONDS)))


def window(rate: float, round_trip: float, packet: int) -> int:
    """How many bytes may be on their way: a packet that leaves, and those that fill the link.

    Args:
        rate: the link's rate, in bit/s.
        round_trip: the least round trip seen, in seconds.
        packet: the size of a packet, in bytes.
    """
    return min(MAX_WINDOW, int(HEADROOM * rate / 8 * round_trip) + packet)


def wait_for_room(unacknowledged: int, size: int, limit: int, *, speed: float, most: int) -> float:
    """How long after the last ACK a packet may leave, in seconds; infinite if only another ACK helps.

    Between two ACKs the link is taken to go on as before. One packet always may be on its way, or nothing would ever be
    learnt of the link.

    Args:
        unacknowledged: bytes that the last ACK did not tell of.
        size: of the packet, in bytes.
        limit: bytes that may be on their way.
        speed: of the link, in bit/s.
        most: bytes that may be taken to have arrived before another ACK is overdue.
    """
    excess = min(unacknowledged, unacknowledged + size - limit)
    if excess <= 0:
        return 0.0
    return 8 * excess / speed if excess <= most else math.inf


def _rank(candidate: Candidate) -> tuple[int, int, bool, bool, int, int]:
    place = (candidate.section, candidate.fragment)
    if candidate.incremental:
        place = (candidate.fragment, candidate.section)
    # A picture has one candidate of a section, so repair needs no place of its own.
    return (candidate.urgency, -candidate.image, not candidate.retransmit, candidate.incremental, *place)
