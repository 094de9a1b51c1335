"""codec.container: every byte is counted, every prefix decodes, all damage is detected."""

import errno
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.analysis.colors import average_colors
from codec.coders.colors.payload import encode_colors
from codec.coders.edges.payload import encode_edges, halve
from codec.coders.skeleton import encode_skeleton
from codec.coders.text.payload import encode_text
from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.container.sections import MAX_PAYLOAD, MAX_SECTIONS
from codec.layers import EdgeMap, Layer, Priors, Semantic, Skeleton
from layercast_common.errors import BitstreamError, StorageError, TruncatedError, UsageError
from tests.codec.coders.test_skeleton import STANDING
from tests.support.golden import golden
from tests.support.pictures import draw_edges, draw_picture

PROMPT = "a red house with two lit windows on a green hill, quietly watched by an old lighthouse keeper"

#: Random words, which Brotli does not compress further.
LONG = " ".join(random.Random(1).choices(["red", "fox", "snow", "dawn", "hill", "painting", "lake", "light"], k=700))


def _text(prompt: str = PROMPT) -> Section:
    return Section(Layer.SEMANTIC, Coder.TEXT, encode_text(Semantic(prompt)))


def _edges(side: int = 64) -> Section:
    return Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(draw_edges(side)))


def _colors() -> Section:
    return Section(Layer.TEXTURE, Coder.COLORS, encode_colors(average_colors(draw_picture())))


def _people() -> Section:
    return Section(Layer.STRUCTURE, Coder.SKELETON, encode_skeleton(Skeleton((STANDING,), (512, 512))))


def _stream(*sections: Section) -> Bitstream:
    return Bitstream(Header(512, 512, 7), sections or (_text(), _edges(), _colors()))


def test_round_trip_counts_every_byte() -> None:
    stream = _stream()
    data = stream.to_bytes()
    assert Bitstream.from_bytes(data) == stream
    assert sum(stream.size_of(layer) for layer in Layer) + stream.size_of(None) == len(data)
    assert stream.size_of(None) == 9
    assert stream.size_of(Layer.SEMANTIC) == len(stream.sections[0].payload) + 2
    assert stream.size_of(Layer.DETAIL) == 0


def test_decodes() -> None:
    priors = _stream().decode()
    assert priors.layers == {Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE}
    assert priors.semantic == Semantic(PROMPT)
    assert priors.structure == draw_edges(64)
    assert priors.texture is not None
    assert priors.texture.colors.shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("sections", "structure", "beside"),
    [
        ((_people,), Skeleton, False),
        ((_people, _edges), EdgeMap, True),
        ((_edges, _people), EdgeMap, True),
        ((_edges,), EdgeMap, False),
    ],
)
def test_people_beside_lines(sections: tuple[Callable[[], Section], ...], structure: type, beside: bool) -> None:
    priors = _stream(*(make() for make in sections)).decode()
    assert isinstance(priors.structure, structure)
    assert (priors.skeleton is not None) == beside


def test_longer_prefixes_decode_to_more() -> None:
    stream = _stream()
    data = stream.to_bytes()
    start = len(stream.header.to_bytes())
    previous: Priors | None = None
    for size in range(start, len(data) + 1):
        part = Bitstream.from_bytes(data[:size], partial=True)
        framing_cut = len(data[:size]) - len(part.to_bytes())
        assert framing_cut <= 2
        priors = part.decode()
        assert previous is None or previous.layers <= priors.layers
        previous = priors
        if size < len(data):
            with pytest.raises(TruncatedError):
                Bitstream.from_bytes(data[:size])
    assert previous == stream.decode()


def test_a_cut_section_decodes_to_its_beginning() -> None:
    data = _stream().to_bytes()
    part = Bitstream.from_bytes(data[:14], partial=True)
    assert part.sections[-1].missing > 0
    assert not part.complete
    assert part.to_bytes() == data[:14]
    assert sum(part.size_of(layer) for layer in Layer) + part.size_of(None) == 14
    prompt = part.decode().semantic
    assert prompt is not None
    assert PROMPT.startswith(prompt.prompt)
    assert prompt.prompt


def test_all_damage_is_detected() -> None:
    data = bytearray(_stream().to_bytes())
    for place in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            data[place] ^= flip
            with pytest.raises(BitstreamError):
                Bitstream.from_bytes(bytes(data))
            data[place] ^= flip


def test_bytes_after_the_end_are_refused() -> None:
    data = _stream().to_bytes()
    for partial in (False, True):
        with pytest.raises(BitstreamError, match="follow"):
            Bitstream.from_bytes(data + b"\0", partial=partial)


@pytest.mark.parametrize(
    "section",
    [
        Section(Layer.DETAIL, 9, b"later"),
        Section(5, 2, b"later"),
        Section(Layer.TEXTURE, 30, b"later"),
        Section(Layer.TEXTURE, Coder.EDGES, b"misplaced"),
        Section(7, 0, b""),
    ],
)
def test_unknown_sections_are_skipped_and_kept(section: Section) -> None:
    stream = _stream(_text(), section, _edges())
    again = Bitstream.from_bytes(stream.to_bytes())
    assert again == stream
    assert again.decode().layers == {Layer.SEMANTIC, Layer.STRUCTURE}
    assert again.size_of(section.layer) >= len(section.to_bytes())


def test_later_section_of_a_layer_wins() -> None:
    assert _stream(_edges(64), _edges(96)).decode().structure == draw_edges(96)


def test_a_cut_refinement_keeps_the_coarse_map() -> None:
    finer = Section(Layer.SEMANTIC, Coder.TEXT, b"", 20)
    assert _stream(_text(), finer).decode().semantic is not None
    nothing = Section(Layer.TEXTURE, Coder.COLORS, b"", 20)
    assert _stream(_text(), nothing).decode().texture is None


def test_a_broken_payload_is_an_error() -> None:
    with pytest.raises(BitstreamError):
        _stream(Section(Layer.STRUCTURE, Coder.EDGES, b"\x7f")).decode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_read_or_raise(data: bytes, partial: bool) -> None:
    try:
        stream = Bitstream.from_bytes(Header(64, 64).to_bytes() + data, partial=partial)
        stream.decode()
    except BitstreamError:
        return
    assert Bitstream.from_bytes(stream.to_bytes(), partial=True) == stream


def test_false_lengths_are_refused() -> None:
    header = Header(64, 64).to_bytes()
    with pytest.raises(BitstreamError, match="claims"):
        Bitstream.from_bytes(header + b"\0\xff\xff\x7f", partial=True)
    with pytest.raises(BitstreamError, match="longer than three"):
        Bitstream.from_bytes(header + b"\0\xff\xff\xff\x7f", partial=True)
    with pytest.raises(BitstreamError, match="more than"):
        Bitstream.from_bytes(header + b"\xa0\0" * (MAX_SECTIONS + 1), partial=True)


@pytest.mark.parametrize(
    "sections",
    [
        [_text(LONG)] * 16,
        [_edges(256)] * 3,
        [Section(Layer.TEXTURE, Coder.COLORS, b"\x80\x3f\x3f")] * 10,
        [Section(Layer.STRUCTURE, Coder.SKELETON, b"\x3f")] * 8,
        [_text(LONG), _edges(256), _edges(256), Section(Layer.TEXTURE, Coder.COLORS, b"\x80\x3f\x3f"), _text(LONG)],
    ],
    ids=["text", "edges", "colours", "people", "all"],
)
def test_too_much_work_is_refused(sections: list[Section]) -> None:
    _stream(sections[0]).decode()
    with pytest.raises(BitstreamError, match=r"costs more|are allowed|has no end"):
        _stream(*sections).decode()


def test_the_finest_nested_stream_is_within_the_work_limit() -> None:
    edges = [draw_edges(256)]
    edges[:0] = [halve(halve(edges[0])), halve(edges[0])]
    nested = [
        Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(finer, base, halved=finer is not edges[-1]))
        for finer, base in zip(edges, [None, *edges[:-1]], strict=True)
    ]
    stream = _stream(_text(LONG), *nested, _colors(), _people())
    assert stream.decode().structure == edges[-1]


def test_bounds() -> None:
    with pytest.raises(UsageError):
        Section(Layer.DETAIL, 32, b"")
    with pytest.raises(UsageError):
        Section(7, 31, b"")
    with pytest.raises(UsageError):
        Section(Layer.DETAIL, 0, bytes(MAX_PAYLOAD), 1)
    with pytest.raises(UsageError):
        _stream(Section(Layer.SEMANTIC, Coder.TEXT, b"", 3), _edges())
    with pytest.raises(UsageError):
        _stream(*[Section(Layer.DETAIL, 0, b"")] * (MAX_SECTIONS + 1))


def test_files(tmp_path: Path) -> None:
    stream = _stream()
    path = tmp_path / "house.lcast"
    stream.save(path)
    stream.save(str(path))
    assert Bitstream.load(path) == stream
    assert [file.name for file in tmp_path.iterdir()] == ["house.lcast"]
    path.write_bytes(stream.to_bytes()[:40])
    with pytest.raises(TruncatedError, match=r"house\.lcast.*partial=True"):
        Bitstream.load(path)
    assert Bitstream.load(path, partial=True).decode().semantic == Semantic(PROMPT)
    path.write_text("a text file with another suffix")
    with pytest.raises(BitstreamError, match=r"house\.lcast: this is not a layercast stream"):
        Bitstream.load(path)
    with pytest.raises(StorageError, match=r"nothing\.lcast: No such file") as missing:
        Bitstream.load(tmp_path / "nothing.lcast")
    assert missing.value.errno == errno.ENOENT
    with pytest.raises(StorageError, match=r"nowhere.*No such file"):
        stream.save(tmp_path / "nowhere" / "house.lcast")


def test_random_bytes_after_the_magic_never_hang() -> None:
    generator = random.Random(3)
    for _ in range(300):
        data = b"\xb1L" + generator.randbytes(generator.randrange(60))
        for partial in (False, True):
            try:
                Bitstream.from_bytes(data, partial=partial).decode()
            except BitstreamError:
                continue


def test_golden() -> None:
    stream = _stream(_text(), _edges(), _colors(), _people())
    data = stream.to_bytes()
    assert golden("house.lcast", data) == data
    assert Bitstream.from_bytes(golden("house.lcast", data)).decode() == stream.decode()
