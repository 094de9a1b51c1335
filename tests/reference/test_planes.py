"""The codec and the reference decoder of PLANES, written from docs/bitstream.md alone, decode the same."""

import ast
from pathlib import Path

import numpy as np
import pytest

from codec.coders.planes.payload import MAX_DECISIONS, decode_planes, encode_planes, to_coefficients
from codec.container.bitstream import Bitstream, Coder
from tests.reference import decoder as reference_decoder
from tests.reference import planes as reference
from tests.support.golden import FOLDER
from tests.support.pictures import draw_picture


def check(payloads: list[bytes], canvas: tuple[int, int]) -> None:
    ours = decode_planes(payloads, canvas)
    signed, last = reference.Planes(payloads, canvas).coefficients()
    assert np.array_equal(last, ours.last_plane)
    assert np.array_equal(signed, ours.magnitudes * ours.signs.astype(np.int64))


def test_the_reference_decoder_does_not_import_the_codec() -> None:
    tree = ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))
    names = [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [name for name in names if name.split(".")[0] in ("codec", "tests")] == ["tests.reference.decoder"]
    assert reference.MOST_DECISIONS == MAX_DECISIONS


def test_the_golden_stream() -> None:
    stream = reference_decoder.read_stream((FOLDER / "planes.lcast").read_bytes())
    payloads = [payload for _, coder, payload in stream.sections if coder == Coder.PLANES]
    assert [layer for layer, coder, _ in stream.sections if coder == Coder.PLANES] == [2, 3]
    check(payloads, stream.canvas)
    ours = Bitstream.load(FOLDER / "planes.lcast").decode().plane
    assert ours is not None
    assert np.array_equal(reference.Planes(payloads, stream.canvas).coefficients()[1], ours.last_plane)


@pytest.mark.parametrize(
    ("canvas", "sizes"),
    [((96, 64), [60, 1, 2, 90, 200]), ((1, 1), [5]), ((7, 5), [20, 20]), ((37, 120), [150, 150]), ((8, 8), [9] * 9)],
)
def test_pictures(canvas: tuple[int, int], sizes: list[int]) -> None:
    width, height = canvas
    picture = np.ascontiguousarray(draw_picture()[100 : 100 + height, 60 : 60 + width])
    picture[::3, ::2] += np.random.default_rng(1).integers(0, 90, picture[::3, ::2].shape, np.uint8)
    check(encode_planes(to_coefficients(picture), canvas, sizes), canvas)


@pytest.mark.parametrize("seed", range(4))
def test_random_payloads(seed: int) -> None:
    random = np.random.default_rng(seed)
    check(
        [random.bytes(int(size)) for size in random.integers(0, 120, 4)], ((50, 70), (64, 64), (3, 90), (130, 20))[seed]
    )
