"""The packets' bytes: frozen, cross-checked with a second MessagePack, and safe against anything."""

import zlib
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercast_common.errors import LocalProtocolError, PacketError
from protocol.wire import packets
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.fields import Done, Have, Part, SectionEntry, bits, indices_of, inline_sections, sending_order
from protocol.wire.packets import (
    Ack,
    Bye,
    Cancel,
    Data,
    Err,
    Hello,
    Offer,
    Packet,
    PacketKind,
    Ping,
    Pong,
    Prio,
    Repair,
    Resume,
    Want,
    Welcome,
    kind_of,
)

ROOT = Path(__file__).parents[3]

EXAMPLES: dict[str, Packet] = {
    "HELLO": Hello(versions=1, stream=bytes(range(1, 7)), rate=2400, token="secret"),
    "WELCOME": Welcome(version=1, session=b"\xba\xdc\xaf\xe0"),
    "OFFER": Offer(
        pn=1,
        image=1,
        head=b"head",
        fragment_size=46,
        sections=(
            SectionEntry.of(layer=0, coder=0, urgency=0, incremental=False, length=9),
            SectionEntry.of(
                layer=1, coder=1, urgency=2, incremental=False, length=60, check=zlib.crc32(bytes(60)) & 0xFFFF
            ),
        ),
        inline=b"a red cat",
        jpeg_size=41000,
    ),
    "DATA": Data(pn=2, image=1, section=1, fragment=0, payload=bytes(46)),
    "DATA, the last": Data(pn=3, image=1, section=1, fragment=1, payload=bytes(14)),
    "REPAIR": Repair(pn=4, image=1, section=1, group=0, index=0, payload=bytes(46)),
    "ACK": Ack(largest=3, done=(Done(image=1, sections=0b11),)),
    "ACK, a packet missing": Ack(largest=3, missing=0b1, delay=25),
    "WANT": Want(number=1, image=1, sections=0b10, fragments=bits([0, 9])),
    "PRIO": Prio(number=2, image=0, layer=3, urgency=1),
    "CANCEL": Cancel(pn=5, image=1),
    "CANCEL, one section": Cancel(pn=5, image=1, sections=0b10),
    "PING": Ping(value=1000),
    "PONG": Pong(value=1000),
    "HELLO, again": Hello(versions=1, stream=bytes(range(1, 7)), rate=2400, token="secret", resume=b"\xba\xdc\xaf\xe0"),
    "RESUME": Resume(
        have=(Have(image=1, sections=0b01, fragment_size=46, parts=(Part(section=1, fragments=bits([0])),)),)
    ),
    "ERR": Err(code=16, image=1),
    "BYE": Bye(),
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
    assert {kind_of(packet) for packet in EXAMPLES.values()} == set(PacketKind)
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
    sent = msgpack.unpackb(body)
    assert sent == fields[: len(sent)]
    assert msgpack.packb(sent) == body


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
        pytest.param(b"\x96\x02\x01\xc4\x00\x00\x00\xa1\xff", id="a token that is not UTF-8"),
        pytest.param(b"\x97\x02\x01\xc4\x00\x00\x00\xa0\x1f", id="packets of 31 bytes"),
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


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\x93\x02\x01\xc4\x00", Hello(versions=1, stream=b"")),
        (
            b"\x9d\x02\x01\xc4\x00\x00\x00\xa0\xcd\x05\x78\x00\xc4\x00\xc4\x00\x91\x07\xc0\x80",
            Hello(1, b"", capabilities=(7,)),
        ),
        (b"\x93\x03\x01\xc4\x00", Welcome(version=1, session=b"")),
        (b"\x99\x03\x01\xc4\x00\x78\x1e\xcd\x05\x78\xc4\x00\x90\xa1x", Welcome(version=1, session=b"")),
    ],
)
def test_greetings_may_grow(body: bytes, expected: Packet) -> None:
    """Fields that are left out have their defaults; those of a later version are ignored."""
    assert decode_packet(sealed(body)) == expected


def test_a_greeting_does_not_show_its_token() -> None:
    assert "secret" not in repr(EXAMPLES["HELLO"])
    assert "secret" not in str(EXAMPLES["HELLO"])


@given(st.sets(st.integers(0, 2047)))
def test_bitmaps(indices: set[int]) -> None:
    assert indices_of(bits(list(indices))) == sorted(indices)
    assert len(bits(list(indices))) == (max(indices) // 8 + 1 if indices else 0)


def test_what_rides_inside() -> None:
    rows = [
        SectionEntry.of(layer=1, coder=1, urgency=urgency, incremental=shares, length=length)
        for urgency, shares, length in ((2, False, 5), (0, True, 3), (0, False, 4), (0, False, 0))
    ]
    assert sending_order(rows) == [2, 3, 1, 0]
    assert inline_sections(rows, 0) == []
    assert inline_sections(rows, 4) == [2, 3]
    assert inline_sections(rows, 12) == [2, 3, 1, 0]
    assert inline_sections(rows, 3) is None
    assert inline_sections(rows, 13) is None


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
