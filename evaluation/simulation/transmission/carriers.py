"""The transports that are emulated: what they add to every packet, and what they do about losses."""

from dataclasses import dataclass

from protocol.transports.mqtt.topics import FRAMING
from protocol.transports.websocket.transport import FRAME_BYTES, SEGMENT_BYTES

#: IPv4 and UDP headers; DTLS 1.2 record with an explicit nonce and tag (RFC 6347, RFC 5288); SCTP common header and
#: DATA chunk header (RFC 9260).
_IP_UDP, _DTLS, _SCTP = 28, 13 + 8 + 16, 12 + 16

#: A layercast topic and its length field, about.
_MQTT_TOPIC = 32

#: The shortest retransmission timeout of a transport, in seconds (Linux TCP_RTO_MIN), and its round trips.
LEAST_TIMEOUT, TIMEOUT_ROUND_TRIPS = 0.2, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A transport's cost and service.

    Attributes:
        name: its name in scenarios.
        overhead: bytes that it adds to every packet.
        acknowledgement: bytes that it sends back for every packet; 0 if it sends none.
        reliable: whether it retransmits lost packets itself and keeps the order, like TCP.
        accounted: the cost of a packet as the sender accounts for it, both ways, in bytes; the real one if None.
    """

    name: str
    overhead: int
    acknowledgement: int
    reliable: bool
    accounted: int | None = None

    @property
    def path_overhead(self) -> int:
        """The cost of a packet as the sender accounts for it, both ways, in bytes."""
        return self.overhead + self.acknowledgement if self.accounted is None else self.accounted


#: The transports by name. `datagram` hands packets to the link as they are, like a LoRa or SBD modem.
CARRIERS = {
    carrier.name: carrier
    for carrier in (
        Carrier(name="datagram", overhead=0, acknowledgement=0, reliable=False),
        Carrier(name="websocket", overhead=FRAME_BYTES + SEGMENT_BYTES, acknowledgement=SEGMENT_BYTES, reliable=True),
        Carrier(name="webrtc", overhead=_IP_UDP + _DTLS + _SCTP, acknowledgement=0, reliable=False),
        Carrier(
            name="mqtt",
            overhead=FRAMING + _MQTT_TOPIC + SEGMENT_BYTES,
            acknowledgement=SEGMENT_BYTES,
            reliable=True,
        ),
    )
}
