"""The packets' bytes: frozen, cross-checked with a second MessagePack, and safe against anything."""

import zlib
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercast_errors import LocalProtocolError, PacketError
from protocol import packets
from protocol.packets import (
    Ack,
    Bye,
    Cancel,
    Data,
    Done,
    Err,
    Hello,
    Inline,
    Kind,
    Offer,
    Packet,
    Ping,
    Pong,
    SectionEntry,
    Welcome,
    decode_packet,
    encode_packet,
    kind_of,
)

ROOT = Path(__file__).parents[2]

EXAMPLES: dict[str, Packet] = {
    "HELLO": Hello(lowest=1, highest=1, role=0, token="secret", max_packet=1400, rate=2400, stream=b"\x01\x02\x03\x04"),
    "WELCOME": Welcome(version=1, session=b"0badcafe", max_packet=1400, keepalive=30),
    "OFFER": Offer(
        pn=1,
        image=1,
        epoch=0,
        head=b"head",
        jpeg_size=41000,
        fragment_size=46,
        sections=(
            SectionEntry(layer=0, coder=0, urgency=0, incremental=False, length=9, crc32=zlib.crc32(b"a red cat")),
            SectionEntry(layer=1, coder=1, urgency=2, incremental=False, length=60, crc32=zlib.crc32(bytes(60))),
        ),
        inline=(Inline(section=0, payload=b"a red cat"),),
    ),
    "DATA": Data(pn=2, image=1, section=1, fragment=0, payload=bytes(46)),
    "DATA, the last": Data(pn=3, image=1, section=1, fragment=1, payload=bytes(14)),
    "ACK": Ack(largest=3, delay=0, missing=0, done=(Done(image=1, sections=0b11),)),
    "ACK, a packet missing": Ack(largest=3, delay=25, missing=0b1, done=(Done(image=1, sections=0b01),)),
    "CANCEL": Cancel(pn=4, image=1),
    "PING": Ping(value=1000),
    "PONG": Pong(value=1000),
    "ERR": Err(code=16, image=1),
    "BYE": Bye(code=0, retry=0),
}


def sealed(body: bytes) -> bytes:
    """A body with its check."""
    return body + zlib.crc32(body).to_bytes(4, "big")


def golden() -> dict[str, str]:
    """The frozen packets, in hex."""
    lines = (ROOT / "tests/golden/packets.txt").read_text().splitlines()
    return dict(line.rsplit(": ", 1) for line in lines)


def plain(value: object) -> object:
    """A packet's fields as MessagePack knows them: lists and numbers."""
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, msgspec.Struct):
        return [plain(getattr(value, name)) for name in value.__struct_fields__]
    return value


def test_every_type_has_a_golden_packet() -> None:
    assert {kind_of(packet) for packet in EXAMPLES.values()} == set(Kind)
    assert golden().keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_bytes_never_change(name: str) -> None:
    packet = EXAMPLES[name]
    assert encode_packet(packet).hex() == golden()[name]
    assert decode_packet(bytes.fromhex(golden()[name])) == packet


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_manual_shows_these_bytes(name: str) -> None:
    assert golden()[name] in (ROOT / "docs/protocol.md").read_text()


@pytest.mark.parametrize("packet", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_another_messagepack_reads_and_writes_the_same(packet: Packet) -> None:
    fields = [int(kind_of(packet)), *(plain(packet) or [])]  # type: ignore[misc]
    body = encode_packet(packet)[:-4]
    assert msgpack.unpackb(body) == fields
    assert msgpack.packb(fields) == body


@pytest.mark.parametrize("packet", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_any_damage_is_noticed(packet: Packet) -> None:
    data = encode_packet(packet)
    damaged = [data[:size] for size in range(len(data))]
    damaged += [data + b"\0", data[1:]]
    damaged += [
        data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
        for place in range(len(data))
        for bit in range(8)
    ]
    for one in damaged:
        with pytest.raises(PacketError):
            decode_packet(one)


@given(st.binary(max_size=1500))
def test_any_bytes_decode_or_raise_packet_error(data: bytes) -> None:
    for one in (data, sealed(data)):
        try:
            packet = decode_packet(one)
        except PacketError:
            continue
        assert packet is None or decode_packet(encode_packet(packet)) == packet


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(JUNK, max_size=9) | JUNK, st.integers(0, 40))
def test_well_made_arrays_of_nonsense(fields: object, kind: int) -> None:
    body = msgpack.packb([kind, *fields] if isinstance(fields, list) else fields)
    try:
        packet = decode_packet(sealed(body))
    except PacketError:
        return
    assert packet is not None or kind >= packets.FIRST_EXTENSION or not isinstance(fields, list)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xdd\xff\xff\xff\xff", id="an array of 2**32 - 1"),
        pytest.param(b"\x91" * 1300, id="nesting"),
        pytest.param(b"\x96\x00\x01\x01\x00\x00\xc6\xff\xff\xff\xff", id="4 GiB of payload"),
        pytest.param(b"\x96\x00\x01\x01\x00\x00\xc4\x00", id="DATA without payload"),
        pytest.param(b"\x96\x00\x00\x01\x00\x00\xc4\x01a", id="packet number 0"),
        pytest.param(b"\x96\x00\x01\x01\x20\x00\xc4\x01a", id="section 32"),
        pytest.param(b"\x96\x00\x01\x01\x00\xcd\x08\x00\xc4\x01a", id="fragment 2048"),
        pytest.param(b"\x97\x00\x01\x01\x00\x00\xc4\x01a\x00", id="a field too many"),
        pytest.param(b"\x95\x00\x01\x01\x00\x00", id="a field too few"),
        pytest.param(b"\x98\x02\x01\x01\x00\xa1\xff\x00\x00\xc4\x00", id="a token that is not UTF-8"),
        pytest.param(b"\x92\x05\x01", id="a reserved type"),
        pytest.param(b"\x92\x1f\x01", id="an unknown type below the extensions"),
        pytest.param(b"\x92\xa1a\x01", id="a type that is text"),
        pytest.param(b"\xdc\x00", id="a torn array"),
        pytest.param(b"\x92\xcd\x01", id="a torn type"),
        pytest.param(b"\x80", id="a map"),
        pytest.param(b"\x90", id="nothing"),
    ],
)
def test_malformed(body: bytes) -> None:
    with pytest.raises(PacketError):
        decode_packet(sealed(body))


@pytest.mark.parametrize("body", [b"\x91\x20", b"\x92\x7f\xc0", b"\x92\xcc\xff\x01", b"\xdc\x00\x01\xcd\x01\x00"])
def test_unknown_extensions_are_ignored(body: bytes) -> None:
    assert decode_packet(sealed(body)) is None


def test_sizes_are_limited_on_both_sides() -> None:
    data = encode_packet(EXAMPLES["DATA"])
    assert decode_packet(data, limit=len(data)) == EXAMPLES["DATA"]
    with pytest.raises(PacketError, match=f"a packet of {len(data)} bytes"):
        decode_packet(data, limit=len(data) - 1)
    with pytest.raises(LocalProtocolError, match="DATA needs 58 bytes; the link's packets hold 57"):
        encode_packet(EXAMPLES["DATA"], limit=57)


def test_a_packet_of_the_right_size_but_with_absurd_lengths_stays_small() -> None:
    with pytest.raises(PacketError):
        decode_packet(bytes(10_000_000))
