"""Random packets of every kind, built from the field definitions of their classes; and hostile bytes close to them."""

import zlib
from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
from msgspec import inspect

from layercast_common.errors import LocalProtocolError
from protocol import Packet, encode_packet
from tests.fuzz.choices import Choices

_union = inspect.type_info(Packet)
assert isinstance(_union, inspect.UnionType)

#: The classes of all packets.
KINDS = tuple(kind for kind in _union.types if isinstance(kind, inspect.StructType))

#: Values that are invalid in every field.
STRANGE: tuple[object, ...] = (
    None, True, -1, 2**32, 2**63, 2**64 - 1, -(2**63), float("nan"), float("inf"), 0.5, "", "\x1b[2J\u202e\0", b"", [],
    {}, [[]], {"": {}}, b"\xff" * 300, "é" * 300, list(range(300)), msgpack.ExtType(5, b"x"), msgpack.Timestamp(0),
)  # fmt: skip


def sealed(body: bytes) -> bytes:
    """Return an encoded array with its check."""
    return body + zlib.crc32(body).to_bytes(4)


def packet(choices: Choices, kind: str | None = None) -> Packet:
    """Choose a valid packet of any kind, or of the kind with that name; small numbers are more likely."""
    chosen = next((one for one in KINDS if one.cls.__name__ == kind), None) or choices.pick(KINDS)
    made: Packet = _value(chosen, choices)
    return made


def hostile_bytes(choices: Choices, good: Packet) -> bytes:
    """Return the bytes of a packet after a random accident or attack, or unchanged."""
    try:
        data = encode_packet(good)
    except LocalProtocolError:
        # The packet is too large to be sent: encode it without the limit.
        data = sealed(msgspec.msgpack.encode(good))
    match choices.below(8):
        case 0:
            return data[: choices.below(len(data) + 1)]
        case 1:
            bit = choices.below(8 * len(data))
            return (int.from_bytes(data) ^ 1 << bit).to_bytes(len(data))
        case 2:
            place = choices.below(len(data) - 3)
            return sealed(data[:place] + choices.data(1 + choices.below(4)) + data[place + choices.below(4) : -4])
        case 3:
            return sealed(choices.data(choices.below(64)))
        case 4:
            return choices.data(choices.below(64)) if choices.below(16) else bytes(choices.below(20_000))
        case _:
            return sealed(_change_field(choices, msgpack.unpackb(data[:-4], strict_map_key=False)))


def _change_field(choices: Choices, fields: list[Any]) -> bytes:
    """Encode a packet's array with one field replaced, left out or duplicated."""
    place = choices.below(len(fields))
    match choices.below(4):
        case 0:
            del fields[place]
        case 1:
            fields.insert(place, choices.pick(STRANGE))
        case _:
            inner = fields[place]
            if isinstance(inner, list) and inner and choices.below(2):
                inner[choices.below(len(inner))] = choices.pick(STRANGE)
            else:
                fields[place] = choices.pick(STRANGE)
    return bytes(msgpack.packb(fields))


def _value(kind: inspect.Type, choices: Choices) -> Any:
    match kind:
        case inspect.StructType():
            return kind.cls(*[_value(field.type, choices) for field in kind.fields])
        case inspect.IntType():
            return _number(kind, choices)
        case inspect.BoolType():
            return bool(choices.below(2))
        case inspect.BytesType():
            return choices.data(_length(kind.min_length, kind.max_length, choices))
        case inspect.StrType():
            text = choices.data(_length(kind.min_length, kind.max_length, choices))
            return text.decode("latin-1")
        case inspect.VarTupleType():
            count = _length(kind.min_length, kind.max_length, choices, most=4)
            return tuple(_value(kind.item_type, choices) for _ in range(count))
        case _:
            raise TypeError(f"a packet holds a {kind}, which the fuzzer cannot make")


def _number(kind: inspect.IntType, choices: Choices) -> int:
    low = kind.ge if kind.ge is not None else (kind.gt or 0) + 1
    high = kind.le if kind.le is not None else (kind.lt or 2**32) - 1
    match choices.below(8):
        case 0:
            return high - choices.below(2) if high > low else high
        case 1:
            return low + choices.below(high - low + 1)
        case _:
            return min(high, low + choices.below(6))


def _length(low: int | None, high: int | None, choices: Choices, most: int = 24) -> int:
    low, high = low or 0, high if high is not None else most
    return high if choices.one_in(32) else low + choices.below(min(high - low, most) + 1)
