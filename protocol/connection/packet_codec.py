"""The encoding of one connection's packets: its packet size, its seals, and the count of malformed packets."""

from collections import deque

from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.limits import MAX_PACKET, Limits
from protocol.wire.packets import Packet
from protocol.wire.seals import UNKEYED, Seal, Sealing


class PacketCodec:
    """Encodes and decodes the packets of one connection; the handshake changes its attributes.

    Args:
        mtu: the largest packet that the transport carries, in bytes.
        key: seals the packets; with checksums by default.
        one_way: whether the link has no direction back to the sender.
        limits: bounds the rate of malformed packets.

    Attributes:
        mtu: the largest packet to send, in bytes.
        key: as above.
        seal, peer_seal: the seals of sent and of received packets.
        bad_packets: malformed packets received.
    """

    def __init__(self, *, mtu: int, key: Sealing | None, one_way: bool, limits: Limits) -> None:
        self.mtu = min(mtu, MAX_PACKET)
        self.key = key or UNKEYED
        self.seal: Seal = self.key.broadcast() if one_way else self.key.hello()
        self.peer_seal: Seal = self.seal
        self.bad_packets = 0
        self._bad_seconds = limits.bad_seconds
        self._bad_times: deque[float] = deque(maxlen=limits.bad_packets)

    @property
    def room(self) -> int:
        """The largest packet array without its check, in bytes."""
        return self.mtu - self.seal.size

    def encode(self, packet: Packet) -> bytes:
        """Encode a packet.

        Raises:
            LocalProtocolError: it is larger than `mtu`.
        """
        return encode_packet(packet, limit=self.mtu, seal=self.seal)

    def decode(self, data: bytes) -> Packet | None:
        """Verify and decode a packet; return None for an unknown extension.

        Raises:
            PacketError: the packet is malformed or fails its check.
        """
        return decode_packet(data, seal=self.peer_seal)

    def on_bad_packet(self, now: float) -> bool:
        """Count a malformed packet; return whether there were too many in a short time."""
        self.bad_packets += 1
        self._bad_times.append(now)
        return len(self._bad_times) == self._bad_times.maxlen and now - self._bad_times[0] < self._bad_seconds
