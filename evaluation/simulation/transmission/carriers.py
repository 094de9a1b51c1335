"""The transports that are emulated: what they add to every packet, and who repairs losses."""

from collections.abc import Callable
from dataclasses import dataclass

from protocol.transports.mqtt.topics import FRAMING
from protocol.transports.websocket.transport import FRAME_BYTES, PACKET_OVERHEAD, SEGMENT_BYTES

#: IPv4 and UDP headers; DTLS 1.2 record with an explicit nonce and tag (RFC 6347, RFC 5288); SCTP common header and
#: DATA chunk header (RFC 9260).
_IP_UDP, _DTLS, _SCTP = 28, 13 + 8 + 16, 12 + 16

#: A layercast topic and its length field, about.
_MQTT_TOPIC = 32

#: The largest TCP segment over Ethernet, in bytes, with time stamps.
_SEGMENT = 1448


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCarrier:
    """How a transport uses TCP.

    Attributes:
        framing: returns the bytes around a packet of a size; the second argument is whether the sender sends it.
        segment: the largest segment, in bytes.
    """

    framing: Callable[[int, bool], int]
    segment: int = _SEGMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A transport's cost and service.

    Attributes:
        name: its name in scenarios.
        overhead: bytes that it adds to every packet; over TCP to one that travels alone.
        reliable: whether no packet is lost above it, and the order is kept.
        accounted: the cost of a packet as the sender accounts for it, both ways, in bytes.
        tcp: how it uses TCP; None if it hands packets to the link.
    """

    name: str
    overhead: int
    reliable: bool
    accounted: int
    tcp: TcpCarrier | None = None


def _websocket_frame(size: int, outward: bool) -> int:
    """Return the header of a frame (RFC 6455, 5.2): longer from 126 bytes on, and with a mask from the client."""
    return 2 + (2 if size >= 126 else 0) + (4 if outward else 0)


def _mqtt_frame(_size: int, _outward: bool) -> int:
    return FRAMING + _MQTT_TOPIC


#: The transports by name. `datagram` hands packets to the link as they are, like a LoRa or SBD modem.
CARRIERS = {
    carrier.name: carrier
    for carrier in (
        Carrier(name="datagram", overhead=0, reliable=False, accounted=0),
        Carrier(
            name="websocket",
            overhead=FRAME_BYTES + SEGMENT_BYTES,
            reliable=True,
            accounted=PACKET_OVERHEAD,
            tcp=TcpCarrier(framing=_websocket_frame),
        ),
        Carrier(name="webrtc", overhead=_IP_UDP + _DTLS + _SCTP, reliable=False, accounted=_IP_UDP + _DTLS + _SCTP),
        Carrier(
            name="mqtt",
            overhead=FRAMING + _MQTT_TOPIC + SEGMENT_BYTES,
            reliable=True,
            accounted=FRAMING + _MQTT_TOPIC + 2 * SEGMENT_BYTES,
            tcp=TcpCarrier(framing=_mqtt_frame),
        ),
    )
}
