"""The choice of the next packet: pure functions and the fair share of the least urgent.

Priority works only while the queue is in this process: a packet that the socket or modem accepted cannot be overtaken.
So at most slightly more than one bandwidth-delay product is in flight, and a packet is chosen when it can leave.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: How long the least urgent waits, in seconds, before it gets a share of the link; and that share, 0 to 1.
STARVING_SECONDS = 10.0
STARVING_SHARE = 0.05

#: The section number of a picture's OFFER.
OFFER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A packet that could be sent next.

    Attributes:
        urgency: 0 first, 7 last (RFC 9218).
        picture_id: the picture's number; higher is newer.
        retransmit: whether it was sent before and lost.
        incremental: whether its section shares the link with others of its urgency (RFC 9218).
        section: the section's index, or `OFFER`.
        fragment: the fragment's index; for a repair piece, the last one of its group.
        repair: 0 for a fragment, else the number of the repair piece in its group, from 1.
    """

    urgency: int
    picture_id: int
    retransmit: bool
    incremental: bool
    section: int
    fragment: int
    repair: int = 0


def choose(candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the candidate to send: by urgency, newest picture, lost before new, then in order; None if there is none.

    Incremental sections of one urgency take turns; the others are sent one after the other, before them.
    """
    return min(candidates, key=_rank, default=None)


class FairShare:
    """Prevents starvation of the least urgent candidates, at the cost of a small share of the link."""

    def __init__(self) -> None:
        self._waiting_since: dict[int, float] = {}
        self._credit = 0.0

    def choose(self, candidates: Sequence[Candidate], now: float) -> Candidate | None:
        """Return the candidate to send: as `choose`, but a starving urgency goes first while its share lasts."""
        waiting = {candidate.urgency for candidate in candidates}
        self._waiting_since = {urgency: self._waiting_since.get(urgency, now) for urgency in waiting}
        best = choose(candidates)
        if best is None or self._credit <= 0:
            return best
        last = max(waiting)
        if last == best.urgency or now - self._waiting_since[last] < STARVING_SECONDS:
            return best
        return choose(candidate for candidate in candidates if candidate.urgency == last)

    def on_packet_sent(self, candidate: Candidate, size: int, now: float) -> None:
        """Account for a packet of `size` bytes: debit the share if others were more urgent, else credit it."""
        if candidate.urgency > min(self._waiting_since, default=candidate.urgency):
            self._credit -= size
            return
        self._waiting_since[candidate.urgency] = now
        self._credit = min(1.0, self._credit + size * STARVING_SHARE / (1 - STARVING_SHARE))


def _rank(candidate: Candidate) -> tuple[int, int, bool, bool, int, int]:
    place = (candidate.section, candidate.fragment)
    if candidate.incremental:
        place = (candidate.fragment, candidate.section)
    # Each section of a picture has at most one candidate, so `repair` does not affect the rank.
    return (candidate.urgency, -candidate.picture_id, not candidate.retransmit, candidate.incremental, *place)
