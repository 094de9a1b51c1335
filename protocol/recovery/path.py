"""A sender's path to the receiver: its rate, round trip and loss, and the part of it in use."""

import functools
import math
from dataclasses import dataclass

from layercast_common.errors import LocalProtocolError
from protocol.recovery import window as windows
from protocol.recovery.ack_ranges import ACK_BYTES, ACK_PACKETS
from protocol.recovery.fec_policy import Feedback, repair_count
from protocol.recovery.loss_detection import LossDetector, PacketContent
from protocol.recovery.pacing import BURST_SECONDS, Pacer, RttEstimator
from protocol.recovery.window import PacketSizes
from protocol.wire.limits import MAX_PACKET

#: The round trip assumed on an unknown link, in seconds.
ASSUMED_ROUND_TRIP = 1.0

#: Bytes assumed delivered without an ACK, relative to those that the next ACK will cover: the ACK itself takes time.
ACK_SLACK = 1.25

#: How often to poll a full transport during the transmission time of one packet.
BACKLOG_POLLS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PathOptions:
    """What is known of a transport before the first packet.

    Attributes:
        rate: the link's rate, in bit/s, never exceeded; 0 if unknown, then it is measured.
        mtu: the largest packet that the transport carries, in bytes.
        overhead: the cost of a packet on the link in addition to its own bytes, in bytes; see `Transport.overhead`.
        reliable: whether the transport loses no packet.
        one_way: whether the receiver cannot send anything back.
        repair: whether to send repair packets (FEC) where packets may be lost.

    Raises:
        LocalProtocolError: a number is negative, or the MTU is 0.
    """

    rate: float = 0.0
    mtu: int = MAX_PACKET
    overhead: int = 0
    reliable: bool = True
    one_way: bool = False
    repair: bool = True

    def __post_init__(self) -> None:
        if self.rate < 0 or self.overhead < 0 or self.mtu < 1:
            raise LocalProtocolError("a path's rate and overhead are 0 or more, and its mtu is 1 byte or more")


class NetworkPath:
    """One link, from the opening of its transport to its end.

    Args:
        options: the transport's properties.
        check: size of the check after every packet, in bytes.

    Attributes:
        mtu: the largest packet, in bytes; the handshake may lower it.
        check: as above.
        one_way, reliable: as in `PathOptions`.
        uses_repair: whether packets may be lost, and repair packets are wanted.
        rtt, pacer, loss_detector: the measurements.
    """

    def __init__(self, options: PathOptions, *, check: int) -> None:
        self.mtu = options.mtu
        self.check = check
        self.one_way = options.one_way
        self.reliable = options.reliable
        self.uses_repair = options.repair and (options.one_way or not options.reliable)
        self.rtt = RttEstimator(ASSUMED_ROUND_TRIP)
        self.pacer = Pacer(options.rate, always=options.one_way)
        self.loss_detector = LossDetector(reliable=options.reliable or options.one_way, rtt=self.rtt, pacer=self.pacer)
        self._overhead = options.overhead

    @property
    def packet_size(self) -> int:
        """The packet size for small pictures and control, in bytes."""
        return windows.packet_size(self.pacer.rate, self.mtu)

    def packet_sizes(self, picture: int) -> PacketSizes:
        """Return the packet sizes for a picture of `picture` bytes."""
        # An assumed rate does not justify long packets.
        overhead = self._overhead if self.pacer.rate_known else 0
        target = windows.packet_size(self.pacer.rate, self.mtu, overhead, picture)
        return PacketSizes(target=target, mtu=self.mtu, check=self.check)

    @property
    def window(self) -> int:
        """The most bytes in flight now, for packets of `packet_size`."""
        packet = self.packet_size
        return min(windows.MAX_WINDOW, self._window_for(packet) + self._unacked_allowance(self._largest(packet)))

    def send_time(self, size: int, target: int, backlog: int, now: float) -> float:
        """Return when the window permits a packet to leave, in seconds; infinite if only an ACK helps.

        Args:
            size: size of the packet, in bytes.
            target: packet size of its picture, in bytes.
            backlog: bytes that the transport still holds.
            now: the current time, in seconds.
        """
        if self.one_way:
            return -math.inf
        packet = max(self.packet_size, target)
        limit = self._window_for(packet)
        # Packets in flight may belong to larger pictures.
        packet = self._largest(packet)
        rate = self.pacer.rate if self._is_queueing(packet) else self.pacer.pacing_rate
        if backlog and backlog + size > limit + packet:
            # The transport drains more slowly than estimated.
            return now + max(BURST_SECONDS, 8 * packet / rate / BACKLOG_POLLS)
        allowance = self._unacked_allowance(packet)
        in_flight = self.loss_detector.bytes_in_flight
        return self.loss_detector.last_ack_at + windows.wait_for_room(
            in_flight, size, limit, rate=rate, allowance=allowance
        )

    def on_packet_sent(self, size: int, now: float, content: PacketContent, *, queue_behind: bool) -> None:
        """Put a packet in flight and pace the next one; see `LossDetector.on_packet_sent`."""
        self.loss_detector.on_packet_sent(size, now, content, queue_behind=queue_behind)
        if self.one_way:
            self.loss_detector.discard()
        self.pacer.on_packet_sent(size, now)

    def repair_count(self, fragments: int, urgency: int, packets: int) -> int:
        """Return how many repair packets a group of a section gets now.

        Args:
            fragments: data packets of the group.
            urgency: the section's urgency, 0 to 7.
            packets: packets of the whole picture.
        """
        loss = 0.0 if self.reliable else self.loss_detector.loss
        round_trip = None if self.one_way else self.rtt.minimum
        feedback = Feedback.of(round_trip, 8 * self.packet_size / self.pacer.rate, packets)
        # The estimate is no better than a percent, and rounding makes the result cacheable.
        return _repair_count(fragments, urgency, None if loss is None else math.ceil(100 * loss), feedback)

    def _is_queueing(self, packet: int) -> bool:
        """Return whether packets queued on the link lately; then the sender does not probe for a higher rate."""
        return self.rtt.latest > self.rtt.minimum + 8 * packet / self.pacer.rate

    def _largest(self, packet: int) -> int:
        """Return the size of the largest packet, past or planned, in bytes."""
        return max(packet, self.loss_detector.max_packet_size)

    def _window_for(self, packet: int) -> int:
        """Return the most bytes in flight for packets of one size."""
        window = windows.window(self.pacer.rate, self.rtt.minimum, packet)
        # Enough packets to trigger an ACK, which measures the rate.
        return window if self.pacer.rate_known else max(window, ACK_PACKETS * packet)

    def _unacked_allowance(self, packet: int) -> int:
        """Return the most bytes assumed delivered since the last ACK: slightly more than the next one covers."""
        return int(ACK_SLACK * max(ACK_PACKETS * packet, ACK_BYTES)) if self.pacer.rate_known else 0


@functools.lru_cache(maxsize=1024)
def _repair_count(fragments: int, urgency: int, percent: int | None, feedback: Feedback) -> int:
    loss = None if percent is None else min(percent / 100, 0.99)
    return repair_count(fragments, urgency, loss=loss, feedback=feedback)
