"""Packets over any link: knows sections and urgencies, nothing of pictures."""

from protocol.codes import Code
from protocol.driver import Driver
from protocol.events import ImageDone, ImageFailed, OfferReceived, SectionInfo, SectionReceived
from protocol.limits import Limits
from protocol.links import LINKS, LinkProfile, parse_link
from protocol.outgoing import OutgoingSection
from protocol.packets import Packet, decode_packet, encode_packet
from protocol.receiving import ReceiverConnection
from protocol.sending import SenderConnection

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
    "decode_packet",
    "encode_packet",
    "parse_link",
]
