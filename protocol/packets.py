"""The packets of `layercast.v1` and their bytes.

    packet = MessagePack array [type, field, ...]  ||  CRC-32 of the array, 4 bytes, big-endian

The check stands outside the array and is verified first, so nothing damaged reaches the decoder. Arrays are positional:
as small as a fixed header, and validated by type and range while they are decoded.
"""

import enum
import zlib
from typing import Annotated

import msgspec
from msgspec import Meta

from layercast_errors import LocalProtocolError, PacketError
from protocol.limits import (
    MAX_DONE,
    MAX_FRAGMENTS,
    MAX_HEAD,
    MAX_ID,
    MAX_INLINE,
    MAX_PACKET,
    MAX_SECTION,
    MAX_SECTIONS,
    MAX_TOKEN,
    MIN_FRAGMENT,
)

#: Bytes of the check behind every packet.
CHECK_SIZE = 4

#: Packet types from here on are extensions: a peer that does not know one ignores it.
FIRST_EXTENSION = 32

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
Number = Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)]
SectionIndex = Annotated[int, Meta(ge=0, lt=MAX_SECTIONS)]
FragmentIndex = Annotated[int, Meta(ge=0, lt=MAX_FRAGMENTS)]


class Kind(enum.IntEnum):
    """A packet's type: the first element of its array. 5, 6 and 10 are kept for WANT, PRIO and RESUME."""

    DATA = 0
    OFFER = 1
    HELLO = 2
    WELCOME = 3
    ACK = 4
    CANCEL = 7
    PING = 8
    PONG = 9
    ERR = 11
    BYE = 12


class Data(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.DATA.value):
    """A fragment of a section. `pn` is never reused; (image, section, fragment) names the bytes."""

    pn: Number
    image: Number
    section: SectionIndex
    fragment: FragmentIndex
    payload: Annotated[bytes, Meta(min_length=1, max_length=MAX_PACKET)]


class SectionEntry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One row of an OFFER's section table. Urgency and incremental are RFC 9218's: 0 first, 7 last."""

    layer: U8
    coder: U8
    urgency: Annotated[int, Meta(ge=0, le=7)]
    incremental: bool
    length: Annotated[int, Meta(ge=0, le=MAX_SECTION)]
    crc32: U32


class Inline(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A whole section that rides inside an OFFER."""

    section: SectionIndex
    payload: Annotated[bytes, Meta(max_length=MAX_INLINE)]


class Offer(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.OFFER.value):
    """A picture begins: everything about it that is constant, and its most urgent section."""

    pn: Number
    image: Number
    epoch: U32
    head: Annotated[bytes, Meta(max_length=MAX_HEAD)]
    jpeg_size: U32
    fragment_size: Annotated[int, Meta(ge=MIN_FRAGMENT, le=MAX_PACKET)]
    sections: Annotated[tuple[SectionEntry, ...], Meta(min_length=1, max_length=MAX_SECTIONS)]
    inline: Annotated[tuple[Inline, ...], Meta(max_length=MAX_SECTIONS)]


class Hello(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.HELLO.value):
    """The first packet of a connection. `rate` is the link's, in bit/s, 0 if unknown; `stream` outlives connections."""

    lowest: U8
    highest: U8
    role: U8
    token: Annotated[str, Meta(max_length=MAX_TOKEN)]
    max_packet: U16
    rate: U32
    stream: Annotated[bytes, Meta(max_length=MAX_ID)]


class Welcome(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.WELCOME.value):
    """The answer to HELLO: the version that will be spoken, the session's id, and what this side takes."""

    version: U8
    session: Annotated[bytes, Meta(max_length=MAX_ID)]
    max_packet: U16
    keepalive: Annotated[int, Meta(ge=1, le=3600)]


class Done(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The complete sections of a picture: bit i stands for section i."""

    image: Number
    sections: U32


class Ack(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.ACK.value):
    """What arrived: all of [largest - 32, largest] but the missing ones; bit i of `missing` is packet largest - 1 - i.

    `delay` is how long the largest packet waited for this ACK, in milliseconds.
    """

    largest: Number
    delay: U16
    missing: U32
    done: Annotated[tuple[Done, ...], Meta(max_length=MAX_DONE)]


class Cancel(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.CANCEL.value):
    """The rest of a picture will not come. Acknowledged like DATA."""

    pn: Number
    image: Number


class Ping(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.PING.value):
    """Asks for a PONG with the same value."""

    value: U32


class Pong(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.PONG.value):
    """The answer to a PING."""

    value: U32


class Err(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.ERR.value):
    """A picture (image > 0) or the connection (image 0) has failed, with its reason as a code."""

    code: U16
    image: U32


class Bye(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=Kind.BYE.value):
    """An orderly end. `retry` is after how many seconds to come back, 0 for no matter when."""

    code: U16
    retry: U16


Packet = Data | Offer | Hello | Welcome | Ack | Cancel | Ping | Pong | Err | Bye

_KINDS: dict[type[Packet], Kind] = {
    Data: Kind.DATA,
    Offer: Kind.OFFER,
    Hello: Kind.HELLO,
    Welcome: Kind.WELCOME,
    Ack: Kind.ACK,
    Cancel: Kind.CANCEL,
    Ping: Kind.PING,
    Pong: Kind.PONG,
    Err: Kind.ERR,
    Bye: Kind.BYE,
}

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Packet] = msgspec.msgpack.Decoder(Packet)


def kind_of(packet: Packet) -> Kind:
    """The packet's type."""
    return _KINDS[type(packet)]


def encode_packet(packet: Packet, *, limit: int = MAX_PACKET) -> bytes:
    """The packet's bytes, check included.

    Raises:
        LocalProtocolError: they would be more than `limit` bytes.
    """
    body = _encoder.encode(packet)
    if len(body) + CHECK_SIZE > limit:
        raise LocalProtocolError(
            f"{kind_of(packet).name} needs {len(body) + CHECK_SIZE} bytes; the link's packets hold {limit}"
        )
    return body + zlib.crc32(body).to_bytes(CHECK_SIZE)


def decode_packet(data: bytes, *, limit: int = MAX_PACKET) -> Packet | None:
    """The packet that the bytes hold, or None for an extension that we do not know.

    Raises:
        PacketError: whatever else the bytes are.
    """
    if not CHECK_SIZE < len(data) <= limit:
        raise PacketError(f"a packet of {len(data)} bytes; {CHECK_SIZE + 1} to {limit} are allowed")
    body, check = data[:-CHECK_SIZE], data[-CHECK_SIZE:]
    if zlib.crc32(body) != int.from_bytes(check):
        raise PacketError("a packet fails its check")
    if _type_of(body) >= FIRST_EXTENSION:
        return None
    try:
        return _decoder.decode(body)
    # Text that is not UTF-8 and absurd nesting leave msgspec as errors of their own.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PacketError(f"a malformed packet: {error}") from error


def _type_of(body: bytes) -> int:
    """The first element of a MessagePack array, if that is what the body begins with and it is an unsigned int; else 0.

    Only the type is wanted before decoding: an extension's fields are nobody's business here. Type 0 lets the decoder
    find what is wrong.
    """
    array_sizes = {0xDC: 3, 0xDD: 5}
    start = 1 if 0x91 <= body[0] <= 0x9F else array_sizes.get(body[0], len(body))
    if start >= len(body):
        return 0
    lead = body[start]
    width = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}.get(lead)
    if width is None:
        return lead if lead < 0x80 else 0
    field = body[start + 1 : start + 1 + width]
    return int.from_bytes(field) if len(field) == width else 0
