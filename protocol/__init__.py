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
"""

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
