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

from protocol.connection.events import OfferReceived, PictureAborted, PictureDone, SectionInfo, SectionReceived
from protocol.driver import Driver
from protocol.link_profiles import LINKS, LinkProfile, parse_link
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.sessions import Sessions
from protocol.sending.connection import SenderConnection
from protocol.sending.fragmentation import OutgoingSection
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
    "PictureAborted",
    "PictureDone",
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
