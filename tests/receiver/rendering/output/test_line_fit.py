"""Pictures fitted to an edge map."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.analysis.colors import average_colors
from codec.layers import EdgeMap
from codec.structure.contours import find_contours, line_f1
from receiver.rendering.output.line_fit import fit_lines


def _disks() -> NDArray[np.uint8]:
    picture = np.full((512, 512, 3), (60, 70, 90), np.uint8)
    cv2.circle(picture, (180, 200), 120, (200, 180, 150), -1)
    cv2.rectangle(picture, (300, 320), (460, 470), (20, 30, 20), -1)
    return picture


def _lines_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 50, 100), np.uint8)


def _f1(picture: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    return line_f1(_lines_of(picture), _lines_of(original), 4)


@pytest.mark.parametrize("side", [96, 128, 256])
def test_a_blurred_picture_gets_its_lines_back(side: int) -> None:
    original = _disks()
    contours, _ = find_contours(original)
    blurred = np.asarray(cv2.GaussianBlur(original, (0, 0), 25), np.uint8)
    fitted = fit_lines(blurred, contours.draw(side))
    assert _f1(blurred, original) < 0.2
    assert _f1(fitted, original) > 0.8
    assert np.abs(fitted.astype(float) - original).mean() < 0.8 * np.abs(blurred.astype(float) - original).mean()


def test_the_lighter_side_stays_lighter() -> None:
    original = _disks()
    contours, _ = find_contours(original)
    fitted = fit_lines(np.asarray(cv2.GaussianBlur(original, (0, 0), 12), np.uint8), contours.draw(128)).mean(axis=2)
    # Just inside and outside the disk on its left, and the rectangle on its top.
    assert fitted[200, 75] > fitted[200, 45] + 40
    assert fitted[310, 380] > fitted[335, 380] + 10


def test_lines_that_were_not_received_get_weaker() -> None:
    original = _disks()
    contours, _ = find_contours(original)
    grain = np.random.default_rng(0).normal(0, 20, original.shape)
    noisy = np.clip(cv2.GaussianBlur(grain, (0, 0), 3) * 20 + original, 0, 255).astype(np.uint8)
    assert _f1(fit_lines(noisy, contours.draw(256)), original) > _f1(noisy, original) + 0.15


def test_received_colours_are_blended_in() -> None:
    original = _disks()
    contours, _ = find_contours(original)
    random = np.random.default_rng(0).normal(0, 60, (16, 16, 3)).astype(np.float32)
    blotches = cv2.resize(random, (512, 512), interpolation=cv2.INTER_CUBIC)
    drawn = np.clip(cv2.GaussianBlur(original, (0, 0), 9) + blotches, 0, 255).astype(np.uint8)
    known, guessed = (fit_lines(drawn, contours.draw(128), colors) for colors in (average_colors(original), None))
    assert np.abs(known.astype(float) - original).mean() < 0.5 * np.abs(guessed.astype(float) - original).mean()


def test_without_lines_nothing_changes() -> None:
    picture = _disks()
    fitted = fit_lines(picture, EdgeMap(np.zeros((64, 64), np.bool_), (512, 512)))
    np.testing.assert_array_equal(fitted, picture)


@given(
    seed=st.integers(0, 1 << 16),
    grid=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    canvas=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    share=st.floats(0, 1),
)
@settings(max_examples=25, deadline=None)
def test_any_lines_on_any_picture(seed: int, grid: tuple[int, int], canvas: tuple[int, int], share: float) -> None:
    random = np.random.default_rng(seed)
    size = (64 * canvas[0], 64 * canvas[1])
    picture = random.integers(0, 256, (size[1], size[0], 3), np.uint8)
    fitted = fit_lines(picture, EdgeMap(random.random(grid) < share, size))
    assert fitted.shape == picture.shape
    assert fitted.dtype == np.uint8
