"""The transfer protocol: packets over any link, without knowledge of pictures beyond sections and urgencies.

The folders, from the wire up; each uses only those before it:

    wire          packets, their fields, limits and codes; encoding and seals
    recovery      acknowledgements, loss detection, round trips, pacing, windows, repair codes
    connection    state machines, events, and the base class of both ends
    sending       handshake, send queue, priorities, and the delivery state of each picture
    receiving     handshake, sessions, requests, and the reassembly of each picture
    transports    the I/O: WebSocket, WebRTC, MQTT, in-memory and emulated links
    driver        runs one connection over one transport

Everything but `transports` and `driver` is sans-I/O: time and packets are passed in.

Names are imported when they are first used, so importing this package is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, SectionInfo, SectionReceived
    from protocol.driver import Driver
    from protocol.link_profiles import LINKS, LinkProfile, parse_link
    from protocol.receiving.connection import ReceiverConnection
    from protocol.receiving.options import ReceiverOptions
    from protocol.receiving.sessions import Sessions
    from protocol.recovery.path import PathOptions
    from protocol.sending.connection import SenderConnection
    from protocol.sending.handshake import SenderCredentials
    from protocol.sending.pictures.fragmentation import OutgoingSection
    from protocol.wire.codes import Code
    from protocol.wire.encoding import decode_packet, encode_packet
    from protocol.wire.limits import Limits
    from protocol.wire.packets import Packet
    from protocol.wire.seals import SharedKey

__all__ = [
    "LINKS",
    "Code",
    "Driver",
    "Limits",
    "LinkProfile",
    "OfferReceived",
    "OutgoingSection",
    "Packet",
    "PathOptions",
    "PictureAborted",
    "PictureDone",
    "ReceiverConnection",
    "ReceiverOptions",
    "SectionInfo",
    "SectionReceived",
    "SenderConnection",
    "SenderCredentials",
    "Sessions",
    "SharedKey",
    "decode_packet",
    "encode_packet",
    "parse_link",
]

_HOMES = {
    "Code": "protocol.wire.codes",
    "Driver": "protocol.driver",
    "LINKS": "protocol.link_profiles",
    "Limits": "protocol.wire.limits",
    "LinkProfile": "protocol.link_profiles",
    "OfferReceived": "protocol.connection.events",
    "OutgoingSection": "protocol.sending.pictures.fragmentation",
    "Packet": "protocol.wire.packets",
    "PathOptions": "protocol.recovery.path",
    "PictureAborted": "protocol.connection.events",
    "PictureDone": "protocol.connection.events",
    "ReceiverConnection": "protocol.receiving.connection",
    "ReceiverOptions": "protocol.receiving.options",
    "SectionInfo": "protocol.connection.events",
    "SectionReceived": "protocol.connection.events",
    "SenderConnection": "protocol.sending.connection",
    "SenderCredentials": "protocol.sending.handshake",
    "Sessions": "protocol.receiving.sessions",
    "SharedKey": "protocol.wire.seals",
    "decode_packet": "protocol.wire.encoding",
    "encode_packet": "protocol.wire.encoding",
    "parse_link": "protocol.link_profiles",
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
