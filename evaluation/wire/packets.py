"""The cost of packets: bytes of framing, and time to encode and decode."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.receiving.sessions import Sessions
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.sending.handshake import SenderCredentials
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.limits import Limits
from protocol.wire.packets import Data
from protocol.wire.seals import CHECKSUM, Mac, Seal

#: The thresholds: framing of a DATA packet and of everything before a picture's text, in bytes, and packets per second.
DATA_OVERHEAD_BAR = 14
GREETING_BAR = 90
SPEED_BAR = 100_000

#: Payload of the measured packets, in bytes: as on a link of 9,600 bit/s.
_PAYLOAD = 240

#: Duration of one trial, in seconds; the best of three counts, since other processes use the machine.
_TRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketFigures:
    """The results.

    Attributes:
        data_overhead: bytes of a DATA packet that are not payload, as the 10,000th of a connection.
        keyed_overhead: the same under a shared key.
        greeting_bytes: bytes both ways between the end of the HTTP upgrade and the first OFFER, without its text,
            WebSocket framing included: for a picture with text, lines and colours, over a link with a known rate, from
            a sender with an outbox.
        packets_per_second: packets with a checksum, encoded and decoded one after the other.
        keyed_per_second: the same under a shared key.
        msgspec_per_second: their arrays alone, by msgspec.
        ratio: the time of a packet with a checksum relative to its array alone.
    """

    data_overhead: int
    keyed_overhead: int
    greeting_bytes: int
    packets_per_second: float
    keyed_per_second: float
    msgspec_per_second: float
    ratio: float


def measure_packets() -> PacketFigures:
    """Measure; takes about two seconds."""
    packet = Data(pn=10_000, image=100, section=1, fragment=100, payload=bytes(_PAYLOAD))
    mac = Mac(bytes(32))
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Data)
    plain = _rate(_round_trip(packet, CHECKSUM))
    keyed = _rate(_round_trip(packet, mac))
    raw = _rate(lambda: decoder.decode(encoder.encode(packet)))
    return PacketFigures(
        data_overhead=len(encode_packet(packet)) - _PAYLOAD,
        keyed_overhead=len(encode_packet(packet, seal=mac)) - _PAYLOAD,
        greeting_bytes=greeting_bytes(),
        packets_per_second=plain,
        keyed_per_second=keyed,
        msgspec_per_second=raw,
        ratio=raw / plain,
    )


def greeting_bytes(stream: bytes = bytes(range(1, 7))) -> int:
    """Return `PacketFigures.greeting_bytes` for a sender with this id."""
    text = b"an old red lighthouse"
    sections = [
        OutgoingSection(layer=0, coder=0, payload=text, urgency=0),
        OutgoingSection(layer=1, coder=1, payload=bytes(range(256)) * 2, urgency=2),
        OutgoingSection(layer=2, coder=2, payload=bytes(range(45)), urgency=3),
    ]
    sender = SenderConnection(now=0.0, credentials=SenderCredentials(stream_id=stream), path=PathOptions(rate=2400))
    limits = Limits()
    receiver = ReceiverConnection(
        session=b"\xba\xdc\xaf\xe0", now=0.0, options=ReceiverOptions(sessions=Sessions(limits), limits=limits)
    )
    hello = _next(sender)
    receiver.receive(hello, 0.0)
    welcome = _next(receiver)
    sender.receive(welcome, 0.0)
    sender.offer(b"\x4c\x01\x08\x08\x00", sections, jpeg_size=41_000)
    sender.tick(0.0)
    offer = _next(sender)
    receiver.receive(offer, 0.0)
    return _on_websocket(hello, masked=True) + _on_websocket(welcome) + _on_websocket(offer, masked=True) - len(text)


def _next(connection: SenderConnection | ReceiverConnection) -> bytes:
    packet = connection.next_packet(0.0)
    assert packet is not None
    return packet


def _on_websocket(packet: bytes, *, masked: bool = False) -> int:
    """Return the size of a message with its frame header (RFC 6455 section 5.2); a client's messages are masked."""
    return len(packet) + (2 if len(packet) <= 125 else 4) + (4 if masked else 0)


def _round_trip(packet: Data, seal: Seal) -> Callable[[], object]:
    return lambda: decode_packet(encode_packet(packet, seal=seal), seal=seal)


def _rate(work: Callable[[], object]) -> float:
    """Return how often a function can be called per second."""
    best = 0.0
    for _ in range(3):
        count, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < _TRY_SECONDS:
            for _ in range(100):
                work()
            count += 100
        best = max(best, count / elapsed)
    return best
