"""How many repair packets a section gets: unequal error protection, as RFC 8854 defines it for video.

The base of a picture gets much protection, detail gets little. A bad link then loses detail; with equal protection it
would lose whole pictures.
"""

import enum
import math
from dataclasses import dataclass

from protocol.recovery.reed_solomon import MAX_PIECES

#: The most data packets in a group: larger groups repair better and take longer.
GROUP = 20

#: Above this loss, 0 to 1, a picture's first packet is sent twice even where lost packets are retransmitted.
TWICE_LOSS = 0.03

#: The loss assumed on a link without feedback, 0 to 1.
ASSUMED_LOSS = 0.1


class Feedback(enum.Enum):
    """How soon a sender detects that a packet of a group was lost."""

    #: While there is time to retransmit it.
    PROMPT = enum.auto()
    #: Only after the transmission time of the whole group.
    LATE = enum.auto()
    #: Never: the link is one-way or broadcast.
    NONE = enum.auto()

    @classmethod
    def of(cls, round_trip: float | None, packet_seconds: float, fragments: int) -> "Feedback":
        """Return the feedback for a group on a link.

        Args:
            round_trip: the minimum round trip, in seconds; None on a one-way link.
            packet_seconds: the transmission time of one packet, in seconds.
            fragments: data packets of the group.
        """
        if round_trip is None:
            return cls.NONE
        return cls.LATE if round_trip > packet_seconds * fragments else cls.PROMPT


@dataclass(frozen=True, slots=True)
class _Protection:
    """The protection of sections up to an urgency.

    Attributes:
        urgency: the last urgency that the row applies to.
        risk: the acceptable probability that a group fails, 0 to 1.
        share: the most repair packets per data packet.
    """

    urgency: int
    risk: float
    share: float


#: At a loss of 10 % and more: text three times, lines 3 + 3 packets, colours twice, detail 15 + 3 packets.
_PROTECTIONS = (
    _Protection(0, 0.002, 2.0),
    _Protection(2, 0.002, 1.0),
    _Protection(5, 0.02, 1.0),
    _Protection(7, 0.1, 0.2),
)


def groups(fragments: int) -> list[range]:
    """Split the fragments of a section into groups: in order, of sizes as equal as possible."""
    parts = math.ceil(fragments / GROUP)
    return [range(fragments * part // parts, fragments * (part + 1) // parts) for part in range(parts)]


def repair_count(fragments: int, urgency: int, *, loss: float | None, feedback: Feedback) -> int:
    """Return how many repair packets a group gets.

    It is the smallest number that meets the acceptable risk of the urgency, limited by the cost allowed for it.

    Args:
        fragments: data packets of the group.
        urgency: the section's urgency, 0 to 7 (RFC 9218).
        loss: the packet loss, 0 to 1; None if unknown.
        feedback: how soon the sender detects a loss.
    """
    loss = ASSUMED_LOSS if loss is None else loss
    if feedback is Feedback.PROMPT:
        return int(urgency == 0 and fragments == 1 and loss > TWICE_LOSS)
    protection = next(row for row in _PROTECTIONS if urgency <= row.urgency)
    most = min(math.ceil(protection.share * fragments), MAX_PIECES - fragments)
    return next((count for count in range(most) if _failure(fragments, count, loss) <= protection.risk), most)


def _failure(data: int, repair: int, loss: float) -> float:
    """Return the probability that more than `repair` of `data + repair` packets are lost."""
    total = data + repair
    return 1 - sum(math.comb(total, lost) * loss**lost * (1 - loss) ** (total - lost) for lost in range(repair + 1))
