"""The packets of `layercast.v1`. How they become bytes is `wire.py`'s business.

A packet is a positional MessagePack array [type, field, ...]: as small as a fixed header, and validated by type and
range while it is decoded. Fields at the end that have their default are left out.
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

#: Packet types from here on are extensions: a peer that does not know one ignores it.
FIRST_EXTENSION = 32

#: The layer of a PRIO that is meant for every layer.
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
    """A packet to which later versions may add fields; those that we do not know are ignored."""


class Data(Row, frozen=True, tag=PacketKind.DATA.value):
    """A fragment of a section. `pn` is never reused; (image, section, fragment) names the bytes."""

    pn: Number
    image: Number
    section: SectionIndex
    fragment: FragmentIndex
    payload: Payload


class Repair(Row, frozen=True, tag=PacketKind.REPAIR.value):
    """A repair piece of a group of a section's fragments, for links that cannot ask again."""

    pn: Number
    image: Number
    section: SectionIndex
    group: Annotated[int, Meta(ge=0, lt=MAX_FRAGMENTS)]
    index: U8
    payload: Payload


class Offer(Greeting, frozen=True, tag=PacketKind.OFFER.value):
    """A picture begins: everything about it that is constant, and its most urgent sections.

    `inline` is the payloads of the sections that would leave first (see `sending_order`), one after the other.
    `lifetime` is after how many milliseconds nothing more of it will come; 0 for never.
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

    Bit v - 1 of `versions` stands for version v. `stream` outlives connections, `epoch` tells one numbering of its
    pictures from another. `rate` is the link's, in bit/s, 0 if unknown. `resume` is a session to take up again.
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
        # A token must not come into a log by way of a message about its packet.
        return f"Hello(role={self.role}, stream={self.stream.hex()}, epoch={self.epoch})"


class Welcome(Greeting, frozen=True, tag=PacketKind.WELCOME.value):
    """The answer to HELLO: the version that will be spoken, the session's id, and what this side takes.

    `resume_ttl` is for how many seconds the session is kept when its transport goes away.
    """

    version: U8
    session: Name
    resume_ttl: U16 = 120
    keepalive: Annotated[int, Meta(ge=1, le=3600)] = 30
    max_packet: PacketSize = MAX_PACKET
    nonce: Nonce = b""
    capabilities: Capabilities = ()


class Ack(Row, frozen=True, tag=PacketKind.ACK.value):
    """What arrived: all of [largest - 32, largest] but the missing ones; bit i of `missing` is packet largest - 1 - i.

    `delay` is how long the largest packet waited for this ACK, in milliseconds.
    """

    largest: Number
    missing: U32 = 0
    delay: U16 = 0
    done: Annotated[tuple[Done, ...], Meta(max_length=MAX_DONE)] = ()


class Want(Row, frozen=True, tag=PacketKind.WANT.value):
    """A receiver asks for sections (bit i for section i), or without any for the OFFER; image 0 is the newest.

    With one section, `fragments` may name those that are wanted: bit f % 8 of byte f // 8. Acknowledged like PRIO.
    """

    number: Number
    image: U32
    sections: U32
    fragments: Fragments = b""


class Prio(Row, frozen=True, tag=PacketKind.PRIO.value):
    """A receiver wants a layer, or `ALL_LAYERS`, of a picture, or with image 0 of all, at another urgency.

    `number` counts WANT, PRIO and CANCEL of a receiver; the sender acknowledges it.
    """

    number: Number
    image: U32
    layer: U8
    urgency: Urgency


class Cancel(Row, frozen=True, tag=PacketKind.CANCEL.value):
    """Sections of a picture will not come, or are not wanted any more. Acknowledged like DATA, or like PRIO."""

    pn: Number
    image: Number
    sections: U32 = ALL_SECTIONS


class Ping(Row, frozen=True, tag=PacketKind.PING.value):
    """Asks for a PONG with the same value."""

    value: U32


class Pong(Row, frozen=True, tag=PacketKind.PONG.value):
    """The answer to a PING."""

    value: U32


class Resume(Row, frozen=True, tag=PacketKind.RESUME.value):
    """What is held of a session that is taken up again. What does not stand here is sent again."""

    have: Annotated[tuple[Have, ...], Meta(max_length=MAX_HELD)] = ()


class Err(Row, frozen=True, tag=PacketKind.ERR.value):
    """A picture or, with a code below 16, the connection has failed."""

    code: U16
    image: U32 = 0


class Bye(Row, frozen=True, tag=PacketKind.BYE.value):
    """An orderly end. `retry` is after how many seconds to come back, 0 for no matter when."""

    code: U16 = 0
    retry: U16 = 0


Packet = Data | Offer | Hello | Welcome | Ack | Want | Prio | Cancel | Ping | Pong | Resume | Err | Bye | Repair

_KINDS: dict[type[Packet], PacketKind] = {
    packet: PacketKind(packet.__struct_config__.tag) for packet in Packet.__args__
}


def kind_of(packet: Packet) -> PacketKind:
    """The packet's type."""
    return _KINDS[type(packet)]
