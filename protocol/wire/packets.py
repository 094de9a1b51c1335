"""The packets of `layercast.v1`; `encoding.py` converts them to bytes.

A packet is a positional MessagePack array [type, field, ...]: as small as a fixed header, and validated by type and
range during decoding. Trailing fields with their default value are omitted.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.wire.fields import (
    U8,
    U16,
    U32,
    Capabilities,
    Done,
    FragmentIndex,
    Fragments,
    Have,
    Name,
    Nonce,
    Number,
    PacketSize,
    Payload,
    Row,
    SectionEntry,
    SectionIndex,
    Urgency,
)
from protocol.wire.limits import (
    ALL_SECTIONS,
    MAX_DONE,
    MAX_FRAGMENTS,
    MAX_HEAD,
    MAX_HELD,
    MAX_INLINE,
    MAX_PACKET,
    MAX_SECTIONS,
    MAX_TOKEN,
    MIN_FRAGMENT,
)

#: Packet types from this one on are extensions: a peer ignores those that it does not know.
FIRST_EXTENSION = 32

#: The layer number of a PRIO that applies to every layer.
ALL_LAYERS = 255


class PacketKind(enum.IntEnum):
    """A packet's type: the first element of its array."""

    DATA = 0
    OFFER = 1
    HELLO = 2
    WELCOME = 3
    ACK = 4
    WANT = 5
    PRIO = 6
    CANCEL = 7
    PING = 8
    PONG = 9
    RESUME = 10
    ERR = 11
    BYE = 12
    REPAIR = 13


class Greeting(msgspec.Struct, frozen=True, array_like=True):
    """A packet to which later versions may add fields; unknown fields are ignored."""


class Data(Row, frozen=True, tag=PacketKind.DATA.value):
    """A fragment of a section. `pn` is never reused; (image, section, fragment) identifies the bytes."""

    pn: Number
    image: Number
    section: SectionIndex
    fragment: FragmentIndex
    payload: Payload


class Repair(Row, frozen=True, tag=PacketKind.REPAIR.value):
    """A repair piece for a group of a section's fragments, for links without timely retransmission."""

    pn: Number
    image: Number
    section: SectionIndex
    group: Annotated[int, Meta(ge=0, lt=MAX_FRAGMENTS)]
    index: U8
    payload: Payload


class Offer(Greeting, frozen=True, tag=PacketKind.OFFER.value):
    """The start of a picture: its constant data and its most urgent sections.

    `inline` holds the payloads of the first sections in `sending_order`, concatenated. `lifetime` is the time in
    milliseconds after which the sender stops sending the picture; 0 for no limit.
    """

    pn: Number
    image: Number
    head: Annotated[bytes, Meta(max_length=MAX_HEAD)]
    fragment_size: Annotated[int, Meta(ge=MIN_FRAGMENT, le=MAX_PACKET)]
    sections: Annotated[tuple[SectionEntry, ...], Meta(min_length=1, max_length=MAX_SECTIONS)]
    inline: Annotated[bytes, Meta(max_length=MAX_INLINE)] = b""
    jpeg_size: U32 = 0
    lifetime: U32 = 0


class Hello(Greeting, frozen=True, tag=PacketKind.HELLO.value):
    """The first packet of a connection.

    Bit v - 1 of `versions` stands for version v. `stream` is the sender's id and outlives connections; `epoch`
    distinguishes numberings of its pictures. `rate` is the link's rate in bit/s, 0 if unknown. `resume` is the id of
    the session to resume.
    """

    versions: Number
    stream: Name
    epoch: U32 = 0
    rate: U32 = 0
    token: Annotated[str, Meta(max_length=MAX_TOKEN)] = ""
    max_packet: PacketSize = MAX_PACKET
    role: U8 = 0
    resume: Name = b""
    nonce: Nonce = b""
    capabilities: Capabilities = ()

    def __repr__(self) -> str:
        # Keeps the token out of logs and error messages.
        return f"Hello(role={self.role}, stream={self.stream.hex()}, epoch={self.epoch})"


class Welcome(Greeting, frozen=True, tag=PacketKind.WELCOME.value):
    """The answer to HELLO: the chosen version, the session id, and the receiver's limits.

    `resume_ttl` is how many seconds the session is kept without a transport.
    """

    version: U8
    session: Name
    resume_ttl: U16 = 120
    keepalive: Annotated[int, Meta(ge=1, le=3600)] = 30
    max_packet: PacketSize = MAX_PACKET
    nonce: Nonce = b""
    capabilities: Capabilities = ()


class Ack(Row, frozen=True, tag=PacketKind.ACK.value):
    """Packets received: all of [largest - 32, largest] except the missing ones.

    Bit i of `missing` is packet largest - 1 - i. `delay` is the time between the arrival of the largest packet and this
    ACK, in milliseconds. `done` lists complete sections.
    """

    largest: Number
    missing: U32 = 0
    delay: U16 = 0
    done: Annotated[tuple[Done, ...], Meta(max_length=MAX_DONE)] = ()


class Want(Row, frozen=True, tag=PacketKind.WANT.value):
    """A receiver's request for sections (bit i for section i), or for the OFFER if there are none.

    Image 0 is the newest. With one section, `fragments` may select fragments: bit f % 8 of byte f // 8.
    Acknowledged like PRIO.
    """

    number: Number
    image: U32
    sections: U32
    fragments: Fragments = b""


class Prio(Row, frozen=True, tag=PacketKind.PRIO.value):
    """A receiver's request to send a layer, or `ALL_LAYERS`, of a picture at another urgency.

    Image 0 stands for every picture. `number` counts the WANT, PRIO and CANCEL packets of a receiver; the sender
    acknowledges it.
    """

    number: Number
    image: U32
    layer: U8
    urgency: Urgency


class Cancel(Row, frozen=True, tag=PacketKind.CANCEL.value):
    """Cancels sections of a picture. Acknowledged like DATA from a sender, like PRIO from a receiver."""

    pn: Number
    image: Number
    sections: U32 = ALL_SECTIONS


class Ping(Row, frozen=True, tag=PacketKind.PING.value):
    """A request for a PONG with the same value."""

    value: U32


class Pong(Row, frozen=True, tag=PacketKind.PONG.value):
    """The answer to a PING."""

    value: U32


class Resume(Row, frozen=True, tag=PacketKind.RESUME.value):
    """The data that the receiver holds of a resumed session. The sender retransmits everything else."""

    have: Annotated[tuple[Have, ...], Meta(max_length=MAX_HELD)] = ()


class Err(Row, frozen=True, tag=PacketKind.ERR.value):
    """A failure of a picture or, with a code below 16, of the connection."""

    code: U16
    image: U32 = 0


class Bye(Row, frozen=True, tag=PacketKind.BYE.value):
    """An orderly close. `retry` is how many seconds to wait before reconnecting; 0 for no preference."""

    code: U16 = 0
    retry: U16 = 0


Packet = Data | Offer | Hello | Welcome | Ack | Want | Prio | Cancel | Ping | Pong | Resume | Err | Bye | Repair

_KINDS: dict[type[Packet], PacketKind] = {
    packet: PacketKind(packet.__struct_config__.tag) for packet in Packet.__args__
}


def kind_of(packet: Packet) -> PacketKind:
    """Return the packet's type."""
    return _KINDS[type(packet)]
