"""From packets to bytes and back.

    packet = MessagePack array [type, field, ...]  ||  check (see `seals.py`)

The check stands outside the array and is verified first, so nothing damaged or forged reaches the decoder.
"""

import typing

import msgspec

from layercast_common.errors import LocalProtocolError, PacketError
from protocol.wire.limits import MAX_PACKET
from protocol.wire.packets import FIRST_EXTENSION, Packet, kind_of
from protocol.wire.seals import CHECKSUM, Seal

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Packet] = msgspec.msgpack.Decoder(Packet)

# MessagePack: bytes of an array's lead with a size of its own, and of an unsigned int behind its lead.
_ARRAY_SIZES = {0xDC: 3, 0xDD: 5}
_INT_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}

# Of each packet with defaults: its type, and the defaults of its last fields, from the last on.
_DEFAULTS = {
    kind: (kind.__struct_config__.tag, tuple(reversed(kind.__struct_defaults__)))
    for kind in typing.get_args(Packet)
    if kind.__struct_defaults__
}


def encode_packet(packet: Packet, *, limit: int = MAX_PACKET, seal: Seal = CHECKSUM) -> bytes:
    """The packet's bytes, check included.

    Raises:
        LocalProtocolError: they would be more than `limit` bytes.
    """
    body = _encode(packet) if type(packet) in _DEFAULTS else _encoder.encode(packet)
    data = body + seal.sign(body)
    if len(data) > limit:
        raise LocalProtocolError(f"{kind_of(packet).name} needs {len(data)} bytes; the link's packets hold {limit}")
    return data


def decode_packet(data: bytes, *, limit: int = MAX_PACKET, seal: Seal = CHECKSUM) -> Packet | None:
    """The packet that the bytes hold, or None for an extension that we do not know.

    Raises:
        PacketError: whatever else the bytes are.
    """
    size = seal.size
    if not size < len(data) <= limit:
        raise PacketError(f"a packet of {len(data)} bytes; {size + 1} to {limit} are allowed")
    body = data[:-size]
    if not seal.verify(body, data[-size:]):
        raise PacketError("a packet fails its check")
    # A small array that begins with a small number is the common case, and read without a call.
    if not (0x91 <= body[0] <= 0x9F and len(body) > 1 and body[1] < FIRST_EXTENSION) and _is_extension(body):
        return None
    try:
        return _decoder.decode(body)
    # Text that is not UTF-8 and absurd nesting leave msgspec as errors of their own.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PacketError(f"a malformed packet: {error}") from error


def _encode(packet: Packet) -> bytes:
    """The packet's array, without the fields at its end that have their default."""
    tag, defaults = _DEFAULTS[type(packet)]
    fields = msgspec.structs.astuple(packet)
    size = len(fields)
    for default in defaults:
        if fields[size - 1] != default:
            break
        size -= 1
    return _encoder.encode((tag, *fields[:size]))


def _is_extension(body: bytes) -> bool:
    """Whether a body is an array that begins with the number of an extension.

    Only the type is wanted before decoding: an extension's fields are nobody's business here. What is no array, or
    begins otherwise, is none, so that the decoder finds what is wrong.
    """
    start = 1 if 0x91 <= body[0] <= 0x9F else _ARRAY_SIZES.get(body[0], len(body))
    if start >= len(body):
        return False
    lead = body[start]
    width = _INT_WIDTHS.get(lead)
    if width is None:
        return FIRST_EXTENSION <= lead < 0x80
    field = body[start + 1 : start + 1 + width]
    return len(field) == width and int.from_bytes(field) >= FIRST_EXTENSION
