"""Packet sizes and the congestion window: pure functions."""

import math
from dataclasses import dataclass

from protocol.wire.limits import MIN_PACKET
from protocol.wire.seals import CHECKSUM

#: The longest transmission time of a packet, in seconds: an urgent packet waits at most this long behind another.
PACKET_SECONDS = 0.25

#: Where every packet costs headers, packets of a large picture are longer: until headers are this share of them, but at
#: most this long, in seconds, and at most this part of the picture, since a small picture saves little.
OVERHEAD_SHARE = 0.1
LONGEST_PACKET_SECONDS = 1.0
PICTURE_PART = 14

#: The window and the pacing rate exceed the measured rate by this factor, so that a faster link is discovered.
HEADROOM = 1.25

#: The largest window on any link, in bytes; it bounds the bookkeeping of packets in flight.
MAX_WINDOW = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketSizes:
    """The packet sizes for a picture on a link, in bytes.

    Attributes:
        target: the size to aim at.
        mtu: the largest size allowed.
        check: size of the check after every packet.
    """

    target: int
    mtu: int
    check: int = CHECKSUM.size


def packet_size(rate: float, mtu: int, overhead: int = 0, picture: int = 0) -> int:
    """Return the packet size for a link, in bytes: short in time, but large compared to its framing.

    Args:
        rate: the link's rate, in bit/s.
        mtu: the largest packet of the link, in bytes.
        overhead: the cost of a packet on the link in addition to its own bytes, in bytes.
        picture: the size of the picture to send, in bytes.
    """
    worth = min(overhead / OVERHEAD_SHARE, rate / 8 * LONGEST_PACKET_SECONDS, picture / PICTURE_PART)
    return min(mtu, max(MIN_PACKET, int(worth), int(rate / 8 * PACKET_SECONDS)))


def window(rate: float, round_trip: float, packet: int) -> int:
    """Return how many bytes may be in flight: one packet plus the bandwidth-delay product with headroom.

    Args:
        rate: the link's rate, in bit/s.
        round_trip: the minimum round trip, in seconds.
        packet: the size of a packet, in bytes.
    """
    return min(MAX_WINDOW, int(HEADROOM * rate / 8 * round_trip) + packet)


def wait_for_room(unacknowledged: int, size: int, limit: int, *, rate: float, allowance: int) -> float:
    """Return how long after the last ACK a packet may leave, in seconds; infinite if only another ACK helps.

    Between two ACKs the link is assumed to deliver at `rate`. One packet may always be in flight; otherwise the sender
    could never measure the link.

    Args:
        unacknowledged: bytes that the last ACK did not cover.
        size: size of the packet, in bytes.
        limit: the most bytes in flight.
        rate: the link's rate, in bit/s.
        allowance: the most bytes that may be assumed delivered without another ACK.
    """
    excess = min(unacknowledged, unacknowledged + size - limit)
    if excess <= 0:
        return 0.0
    return 8 * excess / rate if excess <= allowance else math.inf
