"""Packets over any link: knows sections and urgencies, nothing of pictures."""

from protocol.codes import Code
from protocol.cutting import OutgoingSection
from protocol.driver import Driver
from protocol.events import ImageDone, ImageFailed, OfferReceived, SectionInfo, SectionReceived
from protocol.limits import Limits
from protocol.links import LINKS, LinkProfile, parse_link
from protocol.packets import Packet
from protocol.receiving import ReceiverConnection
from protocol.seals import SharedKey
from protocol.sending import SenderConnection
from protocol.sessions import Sessions
from protocol.wire import decode_packet, encode_packet

__all__ = [
    "LINKS",
    "Code",
    "Driver",
    "ImageDone",
    "ImageFailed",
    "Limits",
    "LinkProfile",
    "OfferReceived",
    "OutgoingSection",
    "Packet",
    "ReceiverConnection",
    "SectionInfo",
    "SectionReceived",
    "SenderConnection",
    "Sessions",
    "SharedKey",
    "decode_packet",
    "encode_packet",
    "parse_link",
]
