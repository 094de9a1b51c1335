"""The measurements of a sender's link."""

from dataclasses import dataclass

from protocol.recovery.path import NetworkPath


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatistics:
    """A snapshot of the measurements.

    Attributes:
        rate: the link's rate as configured or measured, in bit/s.
        round_trip: the smoothed round trip, in seconds.
        loss: the recent packet loss, 0 to 1; None while unknown.
        bytes_in_flight: bytes sent and neither acknowledged nor lost.
        window: the most bytes in flight now, for packets of `packet_size`.
        packet_size: the packet size for small pictures and control, in bytes.
        packets_sent: OFFER, DATA, REPAIR and CANCEL packets sent, over all transports.
        packets_lost: how many of them counted as lost.
    """

    rate: float
    round_trip: float
    loss: float | None
    bytes_in_flight: int
    window: int
    packet_size: int
    packets_sent: int
    packets_lost: int

    @classmethod
    def of(cls, path: NetworkPath, *, sent_before: int, lost_before: int) -> "LinkStatistics":
        """Take a snapshot of a link.

        Args:
            path: the link.
            sent_before, lost_before: packets sent and lost over earlier transports.
        """
        detector = path.loss_detector
        return cls(
            rate=path.pacer.rate,
            round_trip=path.rtt.smoothed,
            loss=detector.loss,
            bytes_in_flight=detector.bytes_in_flight,
            window=path.window,
            packet_size=path.packet_size,
            packets_sent=sent_before + detector.packets_sent,
            packets_lost=lost_before + detector.packets_lost,
        )
