"""Plane coder: every prefix decodes, payloads keep their budgets, only documented errors are raised."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.coders.planes import payload
from codec.coders.planes.geometry import lay_out
from codec.coders.planes.payload import decode_planes, encode_planes, max_bytes, to_coefficients
from codec.wavelet.plane import Plane
from codec.wavelet.transform import magnitudes_at
from layercast_common.errors import BitstreamError, UsageError
from tests.codec.coders.planes.fuzz import fuzz
from tests.support.golden import golden
from tests.support.pictures import draw_picture

CANVAS = (96, 64)


def draw(kind: str, canvas: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """Draw a picture of a kind, (H, W, 3) uint8."""
    random = np.random.default_rng(seed)
    width, height = canvas
    if kind == "noise":
        return random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "flat":
        return np.full((height, width, 3), random.integers(0, 256, 3), np.uint8)
    if kind == "extreme":
        return np.repeat(random.integers(0, 2, (height, width, 1), dtype=np.uint8) * np.uint8(255), 3, axis=2)
    return np.ascontiguousarray(draw_picture()[:height, :width])


def agrees(plane: Plane, coefficients: NDArray[np.float32]) -> bool:
    """Return True if the plane is consistent with the coefficients."""
    top = lay_out(plane.canvas).top
    same = plane.magnitudes == magnitudes_at(coefficients, plane.last_plane, top)
    signs = np.where(plane.magnitudes > 0, np.sign(coefficients), 0)
    return bool(same.all() and (plane.signs == signs).all())


def error_of(plane: Plane, picture: NDArray[np.uint8]) -> float:
    return float(np.mean((plane.to_image().astype(float) - picture) ** 2))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(["noise", "flat", "extreme", "drawn"]),
    st.lists(st.integers(1, 200), min_size=1, max_size=5),
    st.integers(0, 2**32),
)
def test_decoded_planes_agree_with_the_coefficients(
    width: int, height: int, kind: str, budgets: list[int], seed: int
) -> None:
    coefficients = to_coefficients(draw(kind, (width, height), seed))
    payloads = encode_planes(coefficients, (width, height), budgets)
    assert [len(each) for each in payloads[:-1]] == budgets[: len(payloads) - 1]
    assert 0 < len(payloads[-1]) <= budgets[len(payloads) - 1]
    assert agrees(decode_planes(payloads, (width, height)), coefficients)


def test_a_budget_is_used_whole() -> None:
    coefficients = to_coefficients(draw_picture())
    for budgets in ([1], [139], [100, 1, 2, 300]):
        assert [len(each) for each in encode_planes(coefficients, (512, 512), budgets)] == budgets


def test_every_prefix_decodes_and_more_bytes_are_better() -> None:
    picture = draw_picture()
    coefficients = to_coefficients(picture)
    payloads = encode_planes(coefficients, (512, 512), [120, 180])
    errors = []
    for size in range(0, 301, 10):
        came = [payloads[0][:size], *([payloads[1][: size - 120]] if size > 120 else [])]
        whole = len(payloads[len(came) - 1])
        plane = decode_planes(came, (512, 512), whole - len(came[-1]))
        assert agrees(plane, coefficients)
        errors.append(error_of(plane, picture))
    assert errors[-1] < errors[6] / 2 < errors[0] / 10
    assert all(later < 1.05 * earlier for earlier, later in itertools.pairwise(errors))


def test_sections_cost_little_more_than_one() -> None:
    picture = draw_picture()
    coefficients = to_coefficients(picture)
    one = decode_planes(encode_planes(coefficients, (512, 512), [500]), (512, 512))
    many = decode_planes(encode_planes(coefficients, (512, 512), [100] * 5), (512, 512))
    fewer = decode_planes(encode_planes(coefficients, (512, 512), [490]), (512, 512))
    assert 0.99 * error_of(one, picture) <= error_of(many, picture) <= 1.01 * error_of(fewer, picture)


def test_a_section_stops_at_a_plane() -> None:
    coefficients = to_coefficients(draw_picture())
    first, second = encode_planes(coefficients, (512, 512), [4000, 4000], [7, 5])
    plane = decode_planes([first], (512, 512))
    seen = plane.last_plane < lay_out((512, 512)).top + 1
    assert plane.last_plane[seen].max() == 7
    assert plane.last_plane[seen].min() >= 6
    assert (plane.last_plane[seen] < 7).mean() < 0.2
    assert decode_planes([first, second], (512, 512)).last_plane[seen].max() == 5


def test_a_whole_code_ends() -> None:
    picture = draw("flat", CANVAS, 3)
    payloads = encode_planes(to_coefficients(picture), CANVAS, [800, 800])
    assert len(payloads) == 1
    assert len(payloads[0]) < 110
    plane = decode_planes(payloads, CANVAS)
    assert plane.last_plane.min() == 0
    assert np.abs(plane.to_image().astype(int) - picture).max() <= 1


def test_nothing_decodes_to_grey() -> None:
    plane = decode_planes([], CANVAS)
    assert (plane.to_image() == 128).all()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=4),
    st.integers(0, 50),
    st.sampled_from([CANVAS, (1, 1), (5, 70)]),
)
def test_any_bytes_decode(payloads: list[bytes], missing: int, canvas: tuple[int, int]) -> None:
    plane = decode_planes(payloads, canvas, missing)
    assert plane.magnitudes.shape == (3, canvas[1], canvas[0])
    assert (plane.magnitudes >= 0).all()
    assert ((plane.signs != 0) == (plane.magnitudes > 0)).all()


def test_bounds() -> None:
    coefficients = to_coefficients(draw("flat", CANVAS, 0))
    with pytest.raises(UsageError, match="canvas"):
        encode_planes(coefficients, (64, 96), [100])
    for budgets in ([], [0], [max_bytes(CANVAS), 1]):
        with pytest.raises(UsageError, match="sections"):
            encode_planes(coefficients, CANVAS, budgets)
    with pytest.raises(BitstreamError, match="limit"):
        decode_planes([bytes(max_bytes(CANVAS)), b"\0"], CANVAS)
    with pytest.raises(BitstreamError, match="limit"):
        decode_planes([b"\0"], (2048, 2048))


def test_golden() -> None:
    payloads = encode_planes(np.round(to_coefficients(draw_picture())), (512, 512), [200, 455])
    assert golden("planes.bin", b"".join(payloads)) == b"".join(payloads)
    plane = decode_planes(payloads, (512, 512))
    decoded = (plane.magnitudes * plane.signs).astype(">i4").tobytes() + plane.last_plane.tobytes()
    digest = hashlib.sha256(decoded).digest()
    assert golden("planes.sha256", digest) == digest


def test_changed_payloads_decode_or_are_rejected() -> None:
    rejected, _ = fuzz(400, 1)
    assert 0 < rejected < 300


def test_a_code_ends_at_the_limit_of_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "MAX_DECISIONS", 700)
    coefficients = to_coefficients(draw("noise", CANVAS, 5))
    payloads = encode_planes(coefficients, CANVAS, [20, 800, 100])
    assert len(payloads) == 2
    assert len(payloads[1]) < 200
    plane = decode_planes(payloads, CANVAS)
    assert agrees(plane, coefficients)
    assert (decode_planes([payloads[0], payloads[1] + bytes(50)], CANVAS).magnitudes == plane.magnitudes).all()
