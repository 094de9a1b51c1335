"""How much repair a section deserves on a link: unequal protection, as RFC 8854 knows it for video.

What everything else stands on is protected much, detail little. So a bad link loses the detail and not the picture;
with equal protection it would lose all or nothing.
"""

import enum
import math
from dataclasses import dataclass

from protocol.recovery.reed_solomon import MAX_PIECES

#: Data packets of a group, at most: the more there are the better they repair each other, and the longer it takes.
GROUP = 20

#: The loss from which on a picture's first packet is sent twice though lost packets are sent again, 0 to 1.
TWICE_LOSS = 0.03

#: The loss assumed of a link that nothing comes back from, 0 to 1.
ASSUMED_LOSS = 0.1


class Feedback(enum.Enum):
    """How soon a sender learns that a packet of a group was lost."""

    #: While there is time to send it again.
    PROMPT = enum.auto()
    #: Only after the whole group could have been sent.
    LATE = enum.auto()
    #: Never: the link goes one way, or to many at once.
    NONE = enum.auto()

    @classmethod
    def of(cls, round_trip: float | None, packet_seconds: float, fragments: int) -> "Feedback":
        """That of a group on a link.

        Args:
            round_trip: in seconds; None if nothing comes back.
            packet_seconds: for how long one packet occupies the link.
            fragments: data packets of the group.
        """
        if round_trip is None:
            return cls.NONE
        return cls.LATE if round_trip > packet_seconds * fragments else cls.PROMPT


@dataclass(frozen=True, slots=True)
class _Protection:
    """What sections up to an urgency are worth.

    Attributes:
        urgency: the last that this is for.
        risk: how likely a group may fail, 0 to 1.
        share: how many repair packets it may cost for a data packet.
    """

    urgency: int
    risk: float
    share: float


#: At a loss of 10% and more: text x 3, lines 3 + 3, colours x 2, detail 15 + 3.
_PROTECTIONS = (
    _Protection(0, 0.002, 2.0),
    _Protection(2, 0.002, 1.0),
    _Protection(5, 0.02, 1.0),
    _Protection(7, 0.1, 0.2),
)


def groups(fragments: int) -> list[range]:
    """How the fragments of a section are cut into groups: in order, and of sizes as equal as can be."""
    parts = math.ceil(fragments / GROUP)
    return [range(fragments * part // parts, fragments * (part + 1) // parts) for part in range(parts)]


def wanted_repairs(fragments: int, urgency: int, *, loss: float | None, feedback: Feedback) -> int:
    """How many repair packets a group deserves.

    The fewest with which it arrives as surely as its urgency wants, but no more than its urgency may cost.

    Args:
        fragments: data packets of the group.
        urgency: its section's, 0 to 7 (RFC 9218).
        loss: the share of packets that is lost, 0 to 1; None if nobody knows.
        feedback: how soon the sender learns of a loss.
    """
    loss = ASSUMED_LOSS if loss is None else loss
    if feedback is Feedback.PROMPT:
        return int(urgency == 0 and fragments == 1 and loss > TWICE_LOSS)
    protection = next(row for row in _PROTECTIONS if urgency <= row.urgency)
    most = min(math.ceil(protection.share * fragments), MAX_PIECES - fragments)
    return next((count for count in range(most) if _failure(fragments, count, loss) <= protection.risk), most)


def _failure(data: int, repair: int, loss: float) -> float:
    """How likely more than `repair` of `data + repair` packets are lost."""
    total = data + repair
    return 1 - sum(math.comb(total, lost) * loss**lost * (1 - loss) ** (total - lost) for lost in range(repair + 1))
