"""Which packet goes next, and whether one may: pure functions.

Priority on a slow link exists only while the queue is ours. What a socket or a modem has taken cannot be overtaken, so
at most one bandwidth-delay product and a little is ever on its way, and a packet is chosen when it can leave.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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


def _rank(candidate: Candidate) -> tuple[int, int, bool, bool, int, int]:
    place = (candidate.section, candidate.fragment)
    if candidate.incremental:
        place = (candidate.fragment, candidate.section)
    # A picture has one candidate of a section, so repair needs no place of its own.
    return (candidate.urgency, -candidate.image, not candidate.retransmit, candidate.incremental, *place)
