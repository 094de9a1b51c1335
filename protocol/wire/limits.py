"""Every bound on what a peer may make us read, hold or wait for.

The constants belong to the wire format: a packet that breaks one is malformed for everybody. `Limits` is one receiver's
own policy, and may be changed without the peer's knowledge.
"""

from dataclasses import dataclass

#: The largest packet, in bytes, check included: one Ethernet frame with room for IP, TCP, TLS and WebSocket headers.
MAX_PACKET = 1400

#: The smallest packet that a link must take, in bytes: one with room for a greeting and for a few bytes of a picture.
MIN_MTU = 32

#: The smallest packet size worth cutting a section into, in bytes; below it the framing outweighs the payload.
MIN_PACKET = 64

#: Payload bytes that may ride inside an OFFER.
MAX_INLINE = 512

#: The opaque head of a picture, in bytes.
MAX_HEAD = 256

#: Sections of one picture.
MAX_SECTIONS = 32

#: The mask that stands for every section of a picture.
ALL_SECTIONS = 2**MAX_SECTIONS - 1

#: One section's payload, in bytes.
MAX_SECTION = 64 * 1024

#: Fragments of one section.
MAX_FRAGMENTS = 2048

#: A token, in characters.
MAX_TOKEN = 256

#: A stream's or a session's id, in bytes.
MAX_ID = 16

#: A side's random part of a session's key, in bytes.
MAX_NONCE = 16

#: Optional abilities that a greeting may name.
MAX_CAPABILITIES = 16

#: The least that a fragment may hold, in bytes: bounds what a section's bookkeeping can cost.
MIN_FRAGMENT = 16

#: Packets below the largest one that an ACK tells about, which is also the window in which duplicates are known.
ACK_SPAN = 32

#: Pictures that one ACK tells the complete sections of.
MAX_DONE = 16

#: Pictures that one RESUME tells of.
MAX_HELD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One receiver's policy towards its peers.

    Attributes:
        open_pictures: pictures of one peer that may be incomplete at a time; the oldest gives way.
        peer_bytes: payload bytes that one peer's open pictures may announce together.
        early_packets: DATA packets held while their OFFER has not come.
        evictions: pictures that may give way within a second; of what a peer offers faster, nothing is taken.
        remembered: finished pictures whose late packets are still recognised.
        hello_seconds: how long a new peer may take to say HELLO.
        bad_packets: malformed packets within `bad_seconds` that end a connection.
        bad_seconds: see `bad_packets`.
        keepalive_seconds: silence after which a sender pings.
        silence_seconds: silence after which a peer counts as gone; satellite links have outages of 70 s.
        stall_seconds: how long one packet may wait for a peer that does not read.
        resume_seconds: how long a session is kept whose transport went away; 0 for not at all.
        suspended: sessions without a transport that are kept; the oldest gives way.
        sessions: connections at a time.
        sessions_per_address: connections at a time from one network address.
    """

    open_pictures: int = 8
    peer_bytes: int = 256 * 1024
    early_packets: int = 32
    evictions: int = 8
    remembered: int = 256
    hello_seconds: float = 5.0
    bad_packets: int = 3
    bad_seconds: float = 1.0
    keepalive_seconds: int = 30
    silence_seconds: float = 120.0
    stall_seconds: float = 60.0
    resume_seconds: int = 120
    suspended: int = 64
    sessions: int = 256
    sessions_per_address: int = 16
