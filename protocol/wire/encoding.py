"""Encode packets to bytes and decode them.

    packet = MessagePack array [type, field, ...]  ||  check (see `seals.py`)

The check follows the array and is verified first, so the decoder never sees damaged or forged bytes.
"""

import typing

import msgspec

from layercast_common.errors import LocalProtocolError, PacketError
from protocol.wire.limits import MAX_PACKET
from protocol.wire.packets import FIRST_EXTENSION, Packet, kind_of
from protocol.wire.seals import CHECKSUM, Seal

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Packet] = msgspec.msgpack.Decoder(Packet)

# MessagePack: header sizes of arrays with an explicit length, and widths of unsigned ints after their first byte.
_ARRAY_SIZES = {0xDC: 3, 0xDD: 5}
_INT_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}

# For each packet type with defaults: its tag, and the defaults of its trailing fields, last field first.
_DEFAULTS = {
    kind: (kind.__struct_config__.tag, tuple(reversed(kind.__struct_defaults__)))
    for kind in typing.get_args(Packet)
    if kind.__struct_defaults__
}


def encode_packet(packet: Packet, *, limit: int = MAX_PACKET, seal: Seal = CHECKSUM) -> bytes:
    """Encode a packet, check included.

    Args:
        packet: the packet.
        limit: the largest size allowed, in bytes.
        seal: computes the check.

    Raises:
        LocalProtocolError: the result would exceed `limit` bytes.
    """
    body = _encode(packet) if type(packet) in _DEFAULTS else _encoder.encode(packet)
    data = body + seal.sign(body)
    if len(data) > limit:
        raise LocalProtocolError(f"{kind_of(packet).name} needs {len(data)} bytes; the link's packets hold {limit}")
    return data


def decode_packet(data: bytes, *, limit: int = MAX_PACKET, seal: Seal = CHECKSUM) -> Packet | None:
    """Verify and decode a packet; return None for an unknown extension.

    Args:
        data: the bytes as received.
        limit: the largest size allowed, in bytes.
        seal: verifies the check.

    Raises:
        PacketError: the size is wrong, the check fails, or the packet is malformed.
    """
    size = seal.size
    if not size < len(data) <= limit:
        raise PacketError(f"a packet of {len(data)} bytes; {size + 1} to {limit} are allowed")
    body = data[:-size]
    if not seal.verify(body, data[-size:]):
        raise PacketError("a packet fails its check")
    # Fast path: a small array that begins with a small number needs no function call.
    if not (0x91 <= body[0] <= 0x9F and len(body) > 1 and body[1] < FIRST_EXTENSION) and _is_extension(body):
        return None
    try:
        return _decoder.decode(body)
    # msgspec reports invalid UTF-8 and extreme nesting with exceptions other than DecodeError.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PacketError(f"a malformed packet: {error}") from error


def _encode(packet: Packet) -> bytes:
    """Encode the array without trailing fields that have their default."""
    tag, defaults = _DEFAULTS[type(packet)]
    fields = msgspec.structs.astuple(packet)
    size = len(fields)
    for default in defaults:
        if fields[size - 1] != default:
            break
        size -= 1
    return _encoder.encode((tag, *fields[:size]))


def _is_extension(body: bytes) -> bool:
    """Return whether a body is an array whose type number is an extension's.

    Only the type is read; the fields of an extension are not validated. Anything else returns False, so that the
    decoder reports the error.
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
