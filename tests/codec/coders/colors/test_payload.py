"""codec.coders.colors.payload: close to the true colours in few bytes, identical on every machine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.analysis.colors import average_colors
from codec.coders.colors.payload import MAX_SIDE, decode_colors, encode_colors
from codec.color_difference import ciede2000, to_lab
from codec.layers import ColorMap
from layercast_common.errors import BitstreamError, UsageError
from tests.support.golden import golden
from tests.support.pictures import draw_picture


@pytest.mark.parametrize("cell", [64, 128])
def test_decoded_colors_look_alike(cell: int) -> None:
    colors = average_colors(draw_picture(), cell)
    payload = encode_colors(colors)
    decoded = decode_colors(payload, (512, 512)).to_map()
    assert ciede2000(to_lab(colors.colors), to_lab(decoded.colors)).mean() < 2.7
    assert len(payload) < colors.colors.size / 4 + 10


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_any_map_decodes_approximately(rows: int, columns: int, seed: int) -> None:
    colors = np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    decoded = decode_colors(encode_colors(ColorMap(colors, (512, 512))), (512, 512)).to_map().colors
    assert decoded.shape == colors.shape
    assert np.abs(decoded.astype(int) - colors).max() < 112


def test_repeated_coding_changes_little() -> None:
    once = decode_colors(encode_colors(average_colors(draw_picture())), (512, 512)).to_map()
    again = decode_colors(encode_colors(once), (512, 512)).to_map()
    assert ciede2000(to_lab(once.colors), to_lab(again.colors)).mean() < 1


def test_every_cut_decodes_to_complete_rows() -> None:
    colors = average_colors(draw_picture())
    payload = encode_colors(colors)
    whole = decode_colors(payload, (512, 512)).to_map().colors
    came = []
    for size in range(len(payload)):
        try:
            part = decode_colors(payload[:size], (512, 512), cut=True).to_map().colors
        except BitstreamError:
            came.append(0)
            continue
        same = (part == whole).all(axis=(1, 2))
        came.append(int(np.argmin(same)) if not same.all() else len(same))
        assert (part[came[-1] :] == part[came[-1] - 1]).all()
    assert came[0] == 0
    assert came[-1] >= 6


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_decode_or_raise(payload: bytes, cut: bool) -> None:
    try:
        colors = decode_colors(payload, (512, 384), cut=cut).to_map().colors
    except BitstreamError:
        return
    assert max(colors.shape[:2]) <= MAX_SIDE


def test_refining_costs_little_more_than_the_finest_alone() -> None:
    coarse, fine = average_colors(draw_picture(), 128), average_colors(draw_picture(), 64)
    first = encode_colors(coarse)
    base = decode_colors(first, (512, 512))
    second = encode_colors(fine, base=base)
    decoded = decode_colors(second, (512, 512), base=base)
    assert ciede2000(to_lab(fine.colors), to_lab(decoded.to_map().colors)).mean() < 2.7
    assert len(first) + len(second) < 1.3 * len(encode_colors(fine))
    for other in (None, decode_colors(encode_colors(coarse, 2), (512, 512)), decoded):
        with pytest.raises(BitstreamError, match="refines"):
            decode_colors(second, (512, 512), base=other)
    with pytest.raises(UsageError, match="twice"):
        encode_colors(fine, 2, base)


def test_bounds() -> None:
    with pytest.raises(UsageError, match="at most"):
        encode_colors(ColorMap(np.zeros((1, MAX_SIDE + 1, 3), np.uint8), (512, 512)))
    with pytest.raises(BitstreamError):
        decode_colors(b"\x80", (512, 512))


@pytest.mark.parametrize("cell", [64, 128])
def test_golden(cell: int) -> None:
    payload = encode_colors(average_colors(draw_picture(), cell))
    assert golden(f"colors-{512 // cell}.bin", payload) == payload
    decoded = decode_colors(payload, (512, 512)).to_map().colors.tobytes()
    assert golden(f"colors-{512 // cell}.rgb", decoded) == decoded
