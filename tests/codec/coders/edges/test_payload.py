"""codec.coders.edges.payload: any grid round-trips, a cut payload gives whole rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.coders.edges.payload import MAX_SET, MAX_SIDE, decode_edges, encode_edges, halve
from codec.layers import EdgeMap
from layercast_common.errors import BitstreamError, UsageError
from tests.support.golden import golden
from tests.support.pictures import draw_edges


@pytest.mark.parametrize("side", [64, 96, 128, 256])
def test_lines_round_trip_in_few_bytes(side: int) -> None:
    edges = draw_edges(side)
    payload = encode_edges(edges)
    assert decode_edges(payload, edges.canvas) == edges
    assert len(payload) < edges.grid.sum() / 2


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.floats(0, 1), st.sampled_from([64, 512, 768]))
def test_any_grid_round_trips(rows: int, columns: int, seed: int, density: float, width: int) -> None:
    grid = np.random.default_rng(seed).random((rows, columns)) < density
    edges = EdgeMap(grid, (width, 512))
    assert decode_edges(encode_edges(edges), edges.canvas) == edges


def test_the_size_of_a_grid_that_follows_the_canvas_takes_one_byte() -> None:
    empty = EdgeMap(np.zeros((64, 128), np.bool_), (1024, 512))
    odd = EdgeMap(np.zeros((65, 128), np.bool_), (1024, 512))
    assert len(encode_edges(empty)) <= 3
    assert len(encode_edges(odd)) == len(encode_edges(empty)) + 2
    between = EdgeMap(np.zeros((63, 126), np.bool_), (1024, 512))
    assert len(encode_edges(between)) == len(encode_edges(empty)) + 1


def test_every_cut_decodes_to_complete_rows() -> None:
    edges = draw_edges()
    payload = encode_edges(edges)
    last = 0
    for size in range(1, len(payload) + 1):
        came = decode_edges(payload[:size], edges.canvas, cut=True).grid
        rows = int(np.flatnonzero(came.any(axis=1)).max(initial=-1)) + 1
        assert (came[:rows] == edges.grid[:rows]).all()
        assert rows >= last
        last = rows
    assert last >= int(np.flatnonzero(edges.grid.any(axis=1)).max()) - 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.floats(0, 1))
def test_any_refinement_round_trips(rows: int, columns: int, seed: int, density: float) -> None:
    fine = EdgeMap(np.random.default_rng(seed).random((rows, columns)) < density, (512, 512))
    base = halve(fine)
    assert decode_edges(encode_edges(fine, base), (512, 512), base=base) == fine


def test_refining_costs_little_more_than_the_finest_alone() -> None:
    fine = draw_edges(128)
    base = halve(fine)
    both = len(encode_edges(base, halved=True)) + len(encode_edges(fine, base))
    assert both < 1.15 * len(encode_edges(fine))


def test_refining_another_map_is_refused() -> None:
    fine = draw_edges(128)
    payload = encode_edges(fine, halve(fine))
    for base in (None, draw_edges(136)):
        with pytest.raises(BitstreamError, match="refines"):
            decode_edges(payload, (512, 512), base=base)
    with pytest.raises(UsageError, match="halve"):
        encode_edges(fine, draw_edges(64))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_decode_or_raise(payload: bytes, cut: bool) -> None:
    try:
        edges = decode_edges(payload, (512, 384), cut=cut)
    except BitstreamError:
        return
    assert max(edges.grid.shape) <= MAX_SIDE


def test_bounds() -> None:
    with pytest.raises(UsageError, match="at most"):
        encode_edges(EdgeMap(np.zeros((1, MAX_SIDE + 1), np.bool_), (512, 512)))
    with pytest.raises(BitstreamError):
        decode_edges(b"", (512, 512))
    fullest = EdgeMap(np.zeros((MAX_SIDE, MAX_SIDE), np.bool_), (512, 512))
    fullest.grid[::2] = True
    payload = encode_edges(fullest)
    assert decode_edges(payload, (512, 512)) == fullest
    with pytest.raises(BitstreamError, match="set"):
        decode_edges(payload, (512, 512), limit=MAX_SET - 1)
    fullest.grid[1, 1] = True
    with pytest.raises(UsageError, match="thin"):
        encode_edges(fullest)


def test_a_halved_map_is_half_as_fine() -> None:
    with pytest.raises(UsageError, match=f"at most {MAX_SIDE // 2} cells"):
        encode_edges(draw_edges(MAX_SIDE // 2 + 8), halved=True)
    payload = bytearray(encode_edges(draw_edges(MAX_SIDE // 2 + 8)))
    payload[0] |= 0x20
    with pytest.raises(BitstreamError, match="a halved map is out of bounds"):
        decode_edges(bytes(payload), (512, 512))


@pytest.mark.parametrize("side", [64, 128])
def test_golden(side: int) -> None:
    payload = encode_edges(draw_edges(side))
    assert golden(f"edges-{side}.bin", payload) == payload
