"""Packets decode equally with another MessagePack library and with a reader written from docs/protocol.md alone."""

import re
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layercast_common.errors import LocalProtocolError
from protocol import Packet, decode_packet, encode_packet
from protocol.wire.packets import PacketKind, kind_of
from tests.fuzz.choices import RandomChoices
from tests.fuzz.packets import KINDS, packet, sealed

ROOT = Path(__file__).parents[2]
GOLDEN = [line.rsplit(": ", 1) for line in (ROOT / "tests/golden/packets.txt").read_text().splitlines()]

Value = int | bytes | str | list["Value"]


def read(data: bytes) -> tuple[Value, bytes]:
    """Read one MessagePack value of the types that packets use; return it and the remaining bytes."""
    lead, rest = data[0], data[1:]
    if lead < 0x80:
        return lead, rest
    if lead & 0xF0 == 0x90:
        return read_many(lead & 0x0F, rest)
    if lead & 0xE0 == 0xA0:
        return rest[: lead & 0x1F].decode(), rest[lead & 0x1F :]
    width = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xC4: 1, 0xC5: 2, 0xD9: 1, 0xDA: 2, 0xDC: 2}[lead]
    number, rest = int.from_bytes(rest[:width], "big"), rest[width:]
    if lead in (0xC4, 0xC5):
        return rest[:number], rest[number:]
    if lead in (0xD9, 0xDA):
        return rest[:number].decode(), rest[number:]
    return read_many(number, rest) if lead == 0xDC else (number, rest)


def read_many(count: int, data: bytes) -> tuple[list[Value], bytes]:
    """Read `count` consecutive values; return them and the remaining bytes."""
    values: list[Value] = []
    for _ in range(count):
        value, data = read(data)
        values.append(value)
    return values, data


def crc32(data: bytes) -> int:
    """CRC-32 (IEEE), bit by bit."""
    state = 0xFFFF_FFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0xEDB8_8320 if state & 1 else 0)
    return state ^ 0xFFFF_FFFF


def plain(value: object) -> Value:
    """A packet's fields as MessagePack knows them, all of them."""
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, msgspec.Struct):
        return [plain(getattr(value, name)) for name in value.__struct_fields__]
    assert isinstance(value, int | bytes | str)
    return value


@pytest.mark.parametrize("name", [name for name, _ in GOLDEN])
def test_golden_packets_by_another_reader(name: str) -> None:
    """What the manual says of a packet is enough to read it: its check, its type, and every field."""
    data = bytes.fromhex(dict(GOLDEN)[name])
    body, check = data[:-4], data[-4:]
    assert crc32(body) == int.from_bytes(check, "big")
    values, rest = read(body)
    assert rest == b""
    assert isinstance(values, list)
    kind = PacketKind[re.split(r"\W", name)[0]]
    assert values[0] == kind
    known = decode_packet(data)
    assert known is not None
    fields = plain(known)
    assert isinstance(fields, list)
    assert values[1:] == fields[: len(values) - 1]
    defaults = list(known.__struct_defaults__)
    left_out = len(fields) - len(values) + 1
    assert fields[len(fields) - left_out :] == [plain(one) for one in defaults[len(defaults) - left_out :]]


@pytest.mark.parametrize("name", [kind.cls.__name__ for kind in KINDS])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_packet_by_another_library(name: str, seed: int) -> None:
    """msgspec and msgpack read and write the same bytes, defaults at the end left out or not."""
    made: Packet = packet(RandomChoices(seed), name)
    try:
        body = encode_packet(made)[:-4]
    except LocalProtocolError:
        return
    fields = plain(made)
    assert isinstance(fields, list)
    everything = [int(kind_of(made)), *fields]
    written = msgpack.unpackb(body)
    assert written == everything[: len(written)]
    assert msgpack.packb(written) == body
    assert read(body) == (written, b"")
    assert decode_packet(sealed(body)) == made
    longer = sealed(msgpack.packb(everything))
    assert len(longer) > 1400 or decode_packet(longer) == made
