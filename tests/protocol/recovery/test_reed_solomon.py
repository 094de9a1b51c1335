"""Any k of k + m pieces give the data back, as two other libraries see it too; fewer give an error."""

import random

import pytest
import reedsolo  # type: ignore[import-untyped]
import zfec  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from layercast_common.errors import LocalProtocolError, PacketError
from protocol.recovery.reed_solomon import MAX_PIECES, rebuild_pieces, repair_pieces
from protocol.wire.limits import MAX_PACKET


def some_data(count: int, size: int, seed: int = 0) -> list[bytes]:
    """Data pieces."""
    rng = random.Random(seed)
    return [rng.randbytes(size) for _ in range(count)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_k_pieces_give_the_data(draw: st.DataObject) -> None:
    count = draw.draw(st.integers(1, 40))
    repairs = draw.draw(st.integers(0, min(40, MAX_PIECES - count)))
    data = draw.draw(st.lists(st.binary(min_size=5, max_size=5), min_size=count, max_size=count))
    pieces = [*data, *repair_pieces(data, repairs)]
    kept = draw.draw(st.permutations(range(len(pieces))))[:count]
    assert rebuild_pieces({place: pieces[place] for place in kept}, count) == data


@pytest.mark.parametrize(("count", "repairs"), [(1, 254), (254, 1), (127, 128), (20, 235)])
def test_the_largest_groups(count: int, repairs: int) -> None:
    data = some_data(count, 8)
    pieces = [*data, *repair_pieces(data, repairs)]
    assert len(pieces) == MAX_PIECES
    assert rebuild_pieces(dict(list(enumerate(pieces))[-count:]), count) == data


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=20), st.integers(0, 20), st.randoms())
def test_fewer_pieces_are_an_error(data: list[bytes], repairs: int, rng: random.Random) -> None:
    pieces = list(enumerate([*data, *repair_pieces(data, repairs)]))
    with pytest.raises(PacketError, match="cannot restore"):
        rebuild_pieces(dict(rng.sample(pieces, rng.randrange(len(data)))), len(data))


def test_the_first_repair_piece_is_the_xor() -> None:
    first, second, third = some_data(3, 9)
    assert repair_pieces([first, second, third], 1) == [
        bytes(a ^ b ^ c for a, b, c in zip(first, second, third, strict=True))
    ]


def test_repair_pieces_can_be_made_one_by_one() -> None:
    data = some_data(7, 20)
    together = repair_pieces(data, 9)
    assert [repair_pieces(data, 1, first=i)[0] for i in range(9)] == together


def test_short_data_count_as_filled_up() -> None:
    data = [b"first piece", b"last"]
    (repair,) = repair_pieces(data, 1)
    assert rebuild_pieces({0: data[0], 2: repair}, 2) == [data[0], b"last".ljust(11, b"\0")]


def test_the_callers_pieces_stay_as_they_are() -> None:
    data = some_data(3, 4)
    pieces = {4: repair_pieces(data, 2)[1], 2: data[2], 3: repair_pieces(data, 1)[0]}
    before = list(pieces.items())
    assert rebuild_pieces(pieces, 3) == data
    assert list(pieces.items()) == before


@pytest.mark.parametrize(("count", "repairs"), [(1, 2), (3, 3), (15, 3), (20, 20), (100, 155)])
def test_every_byte_is_what_reedsolos_field_makes_of_it(count: int, repairs: int) -> None:
    reedsolo.init_tables(0x11D)
    data = some_data(count, 6)
    for row, piece in enumerate(repair_pieces(data, repairs)):
        expected = bytearray(6)
        for column, one in enumerate(data):
            factor = reedsolo.gf_div(column ^ 255, column ^ (255 - row))
            for i, byte in enumerate(one):
                expected[i] ^= reedsolo.gf_mul(byte, factor)
        assert piece == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 12), st.integers(1, 60), st.randoms())
def test_what_is_lost_is_found_as_zfec_and_reedsolo_find_it(
    count: int, repairs: int, size: int, rng: random.Random
) -> None:
    data = some_data(count, size, rng.randrange(1000))
    kept = tuple(sorted(rng.sample(range(count + repairs), count)))
    ours = [*data, *repair_pieces(data, repairs)]
    theirs = zfec.Encoder(count, count + repairs).encode(tuple(data))
    # zfec wants each data block that came at its own place.
    order: list[int] = [place if place in kept else -1 for place in range(count)]
    extra = iter(place for place in kept if place >= count)
    order = [next(extra) if place < 0 else place for place in order]
    found = zfec.Decoder(count, count + repairs).decode(tuple(theirs[place] for place in order), tuple(order))
    codec = reedsolo.RSCodec(repairs, nsize=255)
    columns = [codec.encode(bytes(piece[i] for piece in data)) for i in range(size)]
    gone = [place for place in range(count + repairs) if place not in kept]
    decoded = []
    for column in columns:
        damaged = bytearray(column)
        for place in gone:
            damaged[place] = 0
        decoded.append(codec.decode(damaged, erase_pos=gone, only_erasures=True)[0])
    by_reedsolo = [bytes(column[place] for column in decoded) for place in range(count)]
    assert rebuild_pieces({place: ours[place] for place in kept}, count) == list(found) == by_reedsolo == data


@pytest.mark.parametrize(
    ("data", "count", "first"), [([], 1, 0), ([b"x"], -1, 0), ([b"x"], 1, -1), ([b"x"], 255, 0), ([b"x"] * 10, 1, 245)]
)
def test_too_many_pieces_are_not_made(data: list[bytes], count: int, first: int) -> None:
    with pytest.raises(LocalProtocolError, match="1 to 255 pieces"):
        repair_pieces(data, count, first=first)


@pytest.mark.parametrize(
    ("pieces", "count", "match"),
    [
        ({}, 0, "group of 0"),
        ({0: b"x"}, 256, "group of 256"),
        ({0: b"x", 1: b"xy"}, 2, "have one size"),
        ({0: bytes(MAX_PACKET + 1)}, 1, "have one size"),
        ({-1: b"x"}, 1, "indices 0 to 254"),
        ({255: b"x"}, 1, "indices 0 to 254"),
    ],
)
def test_pieces_that_fit_no_group(pieces: dict[int, bytes], count: int, match: str) -> None:
    with pytest.raises(PacketError, match=match):
        rebuild_pieces(pieces, count)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.integers(-3, 300), st.binary(max_size=3), max_size=12), st.integers(-3, 300))
def test_whatever_comes_only_the_documented_error_escapes(pieces: dict[int, bytes], count: int) -> None:
    try:
        rebuilt = rebuild_pieces(pieces, count)
    except PacketError:
        return
    assert len(rebuilt) == count
