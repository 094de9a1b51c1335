"""The packets in flight, and the detection of lost ones.

Loss is detected as in RFC 9002 section 6: a packet is lost when three later ones are acknowledged, or one later one is
and 1.25 round trips have passed. When no acknowledgement arrives, the probe timeout expires, the oldest packet counts
as lost, and the timeout doubles. On a reliable link packets are only late; retransmission would delay them further.
"""

from dataclasses import dataclass

from layercast_common.errors import RemoteProtocolError
from protocol.recovery.ack_ranges import acknowledged, max_ack_delay
from protocol.recovery.pacing import Pacer, RttEstimator
from protocol.wire.codes import Code
from protocol.wire.packets import Ack

#: A packet is lost when this many later packets are acknowledged (RFC 9002 kPacketThreshold).
PACKET_THRESHOLD = 3

#: A packet is lost this many round trips after it left, once a later one is acknowledged (RFC 9002 kTimeThreshold).
TIME_THRESHOLD = 1.25

#: The longest probe timeout, in seconds; a fraction of the idle timeout that ends a connection.
MAX_PROBE_TIMEOUT = 20.0

#: A delivery that took this many minimum round trips was limited by the link's rate, not by its length.
QUEUED_ROUND_TRIPS = 3

#: Lost packets that are still recognised when their acknowledgement arrives late.
LATE_PACKETS = 256

#: The packets over which loss is averaged, and the fewest that give a value.
LOSS_PACKETS = 64
MIN_LOSS_PACKETS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketContent:
    """The part of a picture that a packet carries.

    Attributes:
        picture_id: the picture.
        section: the section's index, or `scheduler.OFFER`, `send_queue.CANCEL` or `send_queue.REPAIR`.
        fragment: the fragment's index; for a CANCEL its mask.
    """

    picture_id: int
    section: int
    fragment: int


@dataclass(frozen=True, slots=True)
class SentPacket:
    """A packet that was sent.

    Attributes:
        number: its packet number.
        size: its size on the wire, in bytes.
        sent_at: when it left, in seconds.
        content: the part of a picture that it carried.
        delivered, delivered_at: bytes acknowledged before it left, and the time of the last acknowledgement.
        queue_behind: whether more packets waited to leave; if not, its delivery rate is the application's.
        link_busy: whether an acknowledgement had arrived since the link was last idle.
    """

    number: int
    size: int
    sent_at: float
    content: PacketContent
    delivered: int
    delivered_at: float
    queue_behind: bool
    link_busy: bool


class LossDetector:
    """The packets in flight on one connection.

    Args:
        reliable: whether the link loses no packet.
        rtt: receives round trip samples.
        pacer: receives delivery rate samples.

    Attributes:
        bytes_in_flight: bytes sent and neither acknowledged nor lost.
        max_packet_size: size of the largest packet so far, in bytes.
        last_ack_at: when the last acknowledged packet arrived, or when an idle link got work; in seconds.
        packets_sent, packets_lost: totals.
    """

    def __init__(self, *, reliable: bool, rtt: RttEstimator, pacer: Pacer) -> None:
        self._reliable = reliable
        self._rtt = rtt
        self._pacer = pacer
        self._sent_packets: dict[int, SentPacket] = {}
        self._late: dict[int, SentPacket] = {}
        self._last_number = 0
        self._largest_acked = 0
        self._delivered = 0
        self._delivered_at = 0.0
        self._last_sent_at = 0.0
        self._probe_count = 0
        self._link_busy = False
        self._loss_samples = 0
        self._loss = 0.0
        self.bytes_in_flight = 0
        self.max_packet_size = 0
        self.last_ack_at = 0.0
        self.packets_sent = 0
        self.packets_lost = 0

    @property
    def loss(self) -> float | None:
        """The recent packet loss, 0 to 1; None while unknown."""
        return self._loss if self._loss_samples >= MIN_LOSS_PACKETS else None

    @property
    def in_flight(self) -> list[SentPacket]:
        """The packets in flight, oldest first."""
        return list(self._sent_packets.values())

    @property
    def next_number(self) -> int:
        """The number of the next packet."""
        return self._last_number + 1

    def on_packet_sent(self, size: int, now: float, content: PacketContent, *, queue_behind: bool) -> None:
        """Put the packet `next_number` in flight (RFC 9002 OnPacketSent).

        Args:
            size: its size, in bytes.
            now: the current time, in seconds.
            content: the part of a picture that it carries.
            queue_behind: whether more packets wait to leave.
        """
        if not self._sent_packets:
            self._delivered_at = self.last_ack_at = now
            self._link_busy = False
        self._last_number += 1
        self.packets_sent += 1
        self._last_sent_at = now
        self.bytes_in_flight += size
        self.max_packet_size = max(self.max_packet_size, size)
        self._sent_packets[self._last_number] = SentPacket(
            self._last_number,
            size,
            now,
            content,
            self._delivered,
            self._delivered_at,
            queue_behind,
            self._link_busy,
        )

    def discard(self) -> None:
        """Forget the packets in flight: no acknowledgement will arrive."""
        self._sent_packets.clear()
        self.bytes_in_flight = 0

    def on_ack_received(self, ack: Ack, now: float) -> list[SentPacket]:
        """Update all measurements, and return the packets that are newly acknowledged (RFC 9002 OnAckReceived).

        Raises:
            RemoteProtocolError: the ACK covers a packet that was never sent.
        """
        if ack.largest > self._last_number:
            raise RemoteProtocolError("the peer acknowledged a packet that was never sent", Code.PROTOCOL)
        known = (self._sent_packets.get(n) or self._late.get(n) for n in acknowledged(ack.largest, ack.missing))
        newly_acked = [sent for sent in known if sent is not None]
        if not newly_acked:
            return []
        newest = newly_acked[0]
        # The arrival time of an ACK without delay.
        acked_at = now
        if newest.number == ack.largest:
            delay = ack.delay / 1000
            acked_at -= delay if delay < now - newest.sent_at else 0.0
            self._rtt.update(acked_at - newest.sent_at, now)
            self.last_ack_at = max(self.last_ack_at, acked_at)
        for sent in newly_acked:
            if self._sent_packets.pop(sent.number, None):
                self.bytes_in_flight -= sent.size
                self._add_loss_sample(lost=False)
            self._late.pop(sent.number, None)
            self._delivered += sent.size
        elapsed = acked_at - newest.delivered_at
        if elapsed > 0:
            queued = elapsed >= QUEUED_ROUND_TRIPS * self._rtt.minimum
            rate = 8 * (self._delivered - newest.delivered) / elapsed
            saturated = newest.queue_behind and (newest.link_busy or queued)
            self._pacer.on_rate_sample(rate, now, self._rtt.minimum, saturated=saturated)
        self._delivered_at = acked_at
        self._largest_acked = max(self._largest_acked, ack.largest)
        self._probe_count = 0
        self._link_busy = True
        return newly_acked

    def detect_lost_packets(self, now: float) -> list[SentPacket]:
        """Return the packets that are lost now, each once, and take them out of flight."""
        if self._reliable or not self._sent_packets:
            return []
        lost = [sent for sent in self._sent_packets.values() if self._is_lost(sent, now)]
        if not lost and now >= self._probe_at():
            self._probe_count += 1
            self._last_sent_at = now
            lost = [next(iter(self._sent_packets.values()))]
        for sent in lost:
            del self._sent_packets[sent.number]
            self.bytes_in_flight -= sent.size
            self.packets_lost += 1
            self._add_loss_sample(lost=True)
            self._late[sent.number] = sent
        while len(self._late) > LATE_PACKETS:
            del self._late[next(iter(self._late))]
        return lost

    def next_timer(self) -> float | None:
        """Return when `detect_lost_packets` should be called although nothing arrives, in seconds; None for never."""
        if self._reliable or not self._sent_packets:
            return None
        overtaken = (
            sent.sent_at + self._loss_delay()
            for sent in self._sent_packets.values()
            if sent.number < self._largest_acked
        )
        return min(self._probe_at(), min(overtaken, default=self._probe_at()))

    def _add_loss_sample(self, *, lost: bool) -> None:
        self._loss_samples += 1
        self._loss += (lost - self._loss) / min(self._loss_samples, LOSS_PACKETS)

    def _is_lost(self, sent: SentPacket, now: float) -> bool:
        if sent.number >= self._largest_acked:
            return False
        return self._largest_acked - sent.number >= PACKET_THRESHOLD or now >= sent.sent_at + self._loss_delay()

    def _loss_delay(self) -> float:
        return TIME_THRESHOLD * max(self._rtt.smoothed, self._rtt.latest)

    def _probe_at(self) -> float:
        ack_delay = max_ack_delay(self.max_packet_size, self._pacer.configured_rate)
        timeout = (self._rtt.probe_timeout + ack_delay) * 2.0 ** min(self._probe_count, 16)
        return self._last_sent_at + min(timeout, MAX_PROBE_TIMEOUT)
