"""From packets to bytes and back.

    packet = MessagePack array [type, field, ...]  ||  check (see `seals.py`)

The check stands outside the array and is verified first, so nothing damaged or forged reaches the decoder.
"""

import msgspec

from layercast_errors import LocalProtocolError, PacketError
from protocol.limits import MAX_PACKET
from protocol.packets import FIRST_EXTENSION, Packet, kind_of
from protocol.seals import CHECKSUM, Seal

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Packet] = msgspec.msgpack.Decoder(Packet)


def encode_packet(packet: Packet, *, limit: int = MAX_PACKET, seal: Seal = CHECKSUM) -> bytes:
    """The packet's bytes, check included.

    Raises:
        LocalProtocolError: they would be more than `limit` bytes.
    """
    body = _encode(packet)
    if len(body) + seal.size > limit:
        raise LocalProtocolError(
            f"{kind_of(packet).name} needs {len(body) + seal.size} bytes; the link's packets hold {limit}"
        )
    return body + seal.sign(body)


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
    if _type_of(body) >= FIRST_EXTENSION:
        return None
    try:
        return _decoder.decode(body)
    # Text that is not UTF-8 and absurd nesting leave msgspec as errors of their own.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PacketError(f"a malformed packet: {error}") from error


def _encode(packet: Packet) -> bytes:
    """The packet's array, without the fields at its end that have their default."""
    kind = type(packet)
    defaults = kind.__struct_defaults__
    if not defaults:
        return _encoder.encode(packet)
    fields = msgspec.structs.astuple(packet)
    size = len(fields)
    for default in reversed(defaults):
        if fields[size - 1] != default:
            break
        size -= 1
    return _encoder.encode((kind.__struct_config__.tag, *fields[:size]))


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
