"""How large a packet is, and how many bytes may be in flight: pure functions."""

import math

from protocol.wire.limits import MIN_PACKET

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
