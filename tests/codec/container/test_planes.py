"""Streams with bit planes: one code over several sections, of which any prefix decodes."""

import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.coders.planes.payload import decode_planes, encode_planes, max_bytes, to_coefficients
from codec.container import decoding
from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.container.sections import without_gaps
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import ColorMap, Layer, Priors
from codec.wavelet.plane import Plane
from codec.wavelet.transform import texture_plane
from layercast_common.errors import BitstreamError
from tests.support.golden import golden
from tests.support.pictures import draw_edges, draw_picture

CANVAS = (512, 512)
PROMPT = "a red house on a green hill"


@cache
def _stream(budget: int = 1600) -> Bitstream:
    return encode(draw_picture(), PROMPT, EncodeOptions(budget=budget, order="fidelity", seed=7))


@cache
def _sections() -> tuple[Section, ...]:
    """Return the PLANES sections of a stream: one of texture, then some of detail."""
    return tuple(section for section in _stream().sections if section.coder == Coder.PLANES)


def _colors() -> Section:
    from codec.analysis.colors import average_colors
    from codec.coders.colors.payload import encode_colors

    return Section(Layer.TEXTURE, Coder.COLORS, encode_colors(average_colors(draw_picture())))


def _decode(*sections: Section) -> Priors:
    return Bitstream(Header(*CANVAS), sections).decode()


def _psnr(plane: Plane, picture: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((plane.to_image().astype(float) - picture) ** 2)))


def test_the_sections_decode_as_one_code() -> None:
    sections = _sections()
    layers = [section.layer for section in sections]
    assert layers == [Layer.TEXTURE] * 2 + [Layer.DETAIL] * (len(layers) - 2)
    assert len(layers) > 4
    priors = Bitstream.from_bytes(_stream().to_bytes()).decode()
    assert priors.layers == {Layer.SEMANTIC, Layer.TEXTURE, Layer.DETAIL}
    assert priors.plane == decode_planes([section.payload for section in sections], CANVAS)
    assert priors.plane is not None
    assert priors.texture == ColorMap(priors.plane.colors(decoding.PLANE_COLORS), CANVAS)
    assert priors.texture.colors.shape == (16, 16, 3)


def test_all_planes_are_decoded_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    import codec.coders.planes.payload as coder

    calls = []

    def count(payloads: Sequence[bytes], canvas: tuple[int, int], missing: int) -> Plane:
        calls.append(len(payloads))
        return decode_planes(payloads, canvas, missing)

    monkeypatch.setattr(coder, "decode_planes", count)
    _stream().decode()
    assert calls == [len(_sections())]


def test_texture_alone_has_no_detail() -> None:
    priors = _decode(*_sections()[:2])
    assert priors.layers == {Layer.TEXTURE}
    assert priors.plane is not None
    assert priors.plane.lowest == texture_plane(*CANVAS)
    assert _decode(*_sections()).only({Layer.TEXTURE}).layers == {Layer.TEXTURE}


def test_sections_of_other_layers_may_stand_between() -> None:
    from codec.coders.edges.payload import encode_edges

    texture, *detail = _sections()
    lines = Section(Layer.STRUCTURE, Coder.EDGES, encode_edges(draw_edges(64)))
    priors = _decode(texture, lines, *detail)
    assert priors.plane == _stream().decode().plane
    assert Layer.STRUCTURE in priors.layers


def test_colours_come_as_a_grid_or_as_planes_and_the_first_wins() -> None:
    planes, grid = _sections(), _colors()
    assert _decode(*planes, grid).texture == _decode(*planes).texture
    assert _decode(grid, *planes).texture == _decode(grid).texture
    assert _decode(grid, *planes).plane is None


def test_planes_out_of_place_are_skipped() -> None:
    texture, more, first, second, *_ = _sections()
    assert _decode(first, second).layers == set()
    assert _decode(first, texture, more, first).plane == _decode(texture, more, first).plane
    assert _decode(texture, more, first, texture).plane == _decode(texture, more, first).plane
    assert _decode(Section(Layer.SEMANTIC, Coder.PLANES, texture.payload)).layers == set()


def test_a_code_without_a_decision_is_no_texture() -> None:
    assert _decode(Section(Layer.TEXTURE, Coder.PLANES, b"")).layers == set()
    assert _decode(Section(Layer.TEXTURE, Coder.PLANES, b"", missing=100)).texture is None


def test_without_gaps() -> None:
    sections = dict(enumerate(_stream().sections))
    assert without_gaps(sections, ()) == _stream().sections
    arrived = {index: section for index, section in sections.items() if index != 2}
    assert without_gaps(arrived, [2]) == _stream().sections[:2]
    grid = {0: _colors(), 3: sections[3]}
    assert without_gaps(grid, [1, 2]) == (grid[0],)


def test_every_prefix_decodes_and_more_bytes_are_better() -> None:
    data, picture = _stream().to_bytes(), draw_picture()
    before: list[float] = []
    for end in range(len(Header(*CANVAS, 7).to_bytes()), len(data), 29):
        stream = Bitstream.from_bytes(data[:end], partial=True)
        plane = stream.decode().plane
        if plane is not None:
            before.append(_psnr(plane, picture))
    assert len(before) > 40
    assert all(later > earlier - 0.1 for earlier, later in itertools.pairwise(before))
    assert before[-1] > before[0] + 10


def test_quality_rises_with_every_section_on_the_mean() -> None:
    gains = []
    for seed in range(3):
        picture = np.roll(draw_picture(320, 256), 60 * seed, axis=1)
        stream = encode(picture, "", EncodeOptions(budget=2000, order="fidelity"))
        planes = [Bitstream(stream.header, stream.sections[:end]).decode().plane for end in range(2, 6)]
        gains.append(np.diff([_psnr(plane, picture) for plane in planes if plane is not None]))
    assert np.mean(gains, axis=0).min() > 0.5


def test_sizes_add_up() -> None:
    stream = _stream()
    assert sum(stream.size_of(layer) for layer in Layer) + stream.size_of(None) == len(stream.to_bytes())
    assert stream.size_of(Layer.DETAIL) > stream.size_of(Layer.TEXTURE) > 60


def test_planes_beyond_what_the_canvas_allows() -> None:
    limit = max_bytes((64, 64))
    whole = Section(Layer.TEXTURE, Coder.PLANES, bytes(limit))
    assert Bitstream(Header(64, 64), (whole,)).decode().plane is not None
    more = Section(Layer.DETAIL, Coder.PLANES, b"1")
    with pytest.raises(
        BitstreamError, match="section 2 of 2 does not decode: the planes of the picture take 1537 bytes"
    ):
        Bitstream(Header(64, 64), (whole, more)).decode()
    cut = Section(Layer.DETAIL, Coder.PLANES, b"1", missing=9)
    assert Bitstream(Header(64, 64), (whole, cut)).decode().plane is not None
    with pytest.raises(BitstreamError, match="its canvas allows 0"):
        Bitstream(Header(2048, 1024), (more, Section(Layer.TEXTURE, Coder.PLANES, b"1"))).decode()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([2, 3]), st.binary(max_size=40)), max_size=5), st.integers(0, 60))
def test_any_bytes_decode(payloads: list[tuple[int, bytes]], cut: int) -> None:
    sections = tuple(Section(Layer(layer), Coder.PLANES, payload) for layer, payload in payloads)
    data = Bitstream(Header(192, 128), sections).to_bytes()
    end = max(len(data) - cut, 5)
    priors = Bitstream.from_bytes(data[:end], partial=True).decode()
    assert (priors.plane is None) == (priors.texture is None)


def test_golden_stream() -> None:
    # Whole coefficients: the bytes do not depend on the rounding of a machine.
    coefficients = np.round(to_coefficients(draw_picture()))
    texture, detail = encode_planes(coefficients, CANVAS, [200, 300])
    sections = (
        *_stream().sections[:1],
        Section(Layer.TEXTURE, Coder.PLANES, texture),
        Section(Layer.DETAIL, Coder.PLANES, detail),
    )
    data = Bitstream(Header(*CANVAS, 7), sections).to_bytes()
    assert golden("planes.lcast", data) == data
