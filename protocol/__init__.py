"""Packets over any link: knows sections and urgencies, nothing of pictures.

Where to look, from the wire up:

    wire, packets, fields, seals     bytes <-> packets; limits and codes bound and name what may stand in them
    states, connection               the legal conversations, and what both ends share
    sending                          the sending end: introduction (greeting), dispatch (which packet leaves next)
        outgoing, runs, cutting      one picture on its way out
        scheduler, pace, uplink, ledger, wishes    priority, the link as measured, what is in flight
    receiving                        the receiving end: reception (greeting), sessions (what outlives a transport),
                                     receipts and requests (what it tells and asks)
        reassembly, incoming, sections             one picture on its way in
    fec, protection                  repair where nobody can ask again
    driver, transports/              the only I/O: one connection over one transport
"""

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
