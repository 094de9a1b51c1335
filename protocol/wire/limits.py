"""Every bound on what a peer may make this side read, hold or wait for.

The constants are part of the wire format: a packet that exceeds one is malformed for every implementation. `Limits` is
the local policy of one receiver and may change without notice to the peer.
"""

from dataclasses import dataclass

#: The largest packet, in bytes, check included: one Ethernet frame minus IP, TCP, TLS and WebSocket headers.
MAX_PACKET = 1400

#: The smallest MTU that a link must support, in bytes: enough for HELLO and a few bytes of a picture.
MIN_MTU = 32

#: The smallest useful packet size, in bytes; below it framing outweighs the payload.
MIN_PACKET = 64

#: The most payload bytes inside an OFFER.
MAX_INLINE = 512

#: The longest opaque head of a picture, in bytes.
MAX_HEAD = 256

#: The most sections of one picture.
MAX_SECTIONS = 32

#: The mask of every section of a picture.
ALL_SECTIONS = 2**MAX_SECTIONS - 1

#: The largest section payload, in bytes.
MAX_SECTION = 64 * 1024

#: The most fragments of one section.
MAX_FRAGMENTS = 2048

#: The longest token, in characters.
MAX_TOKEN = 256

#: The longest stream id or session id, in bytes.
MAX_ID = 16

#: The longest nonce of one side for the session key, in bytes.
MAX_NONCE = 16

#: The most optional capabilities that a HELLO or WELCOME may list.
MAX_CAPABILITIES = 16

#: The smallest fragment size, in bytes: bounds the bookkeeping per section.
MIN_FRAGMENT = 16

#: How many packets below the largest one an ACK covers; also the window in which duplicates are recognised.
ACK_SPAN = 32

#: The most pictures whose complete sections one ACK lists.
MAX_DONE = 16

#: The most pictures that one RESUME lists.
MAX_HELD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One receiver's policy towards its peers.

    Attributes:
        open_pictures: incomplete pictures per peer; a newer picture evicts the oldest one.
        peer_bytes: payload bytes that the open pictures of one peer may announce together.
        early_packets: DATA packets held per peer before their OFFER arrives.
        evictions: pictures that may be evicted within a second; pictures offered faster are refused.
        remembered: finished pictures whose late packets are still recognised.
        hello_seconds: how long a new peer may take to send HELLO.
        bad_packets: malformed packets within `bad_seconds` that end a connection.
        bad_seconds: see `bad_packets`.
        keepalive_seconds: idle time after which a sender sends PING.
        silence_seconds: idle timeout after which a peer counts as gone; satellite links have outages of 70 s.
        stall_seconds: how long sending one packet may block on a peer that does not read.
        resume_seconds: how long a session without a transport is kept; 0 keeps none.
        suspended: sessions without a transport that are kept; the oldest is dropped first.
        sessions: concurrent connections.
        sessions_per_address: concurrent connections from one network address.
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
