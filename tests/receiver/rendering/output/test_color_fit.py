import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codec.layers import ColorMap
from receiver.rendering.output.color_fit import fit_colors


def averages(picture: NDArray[np.uint8], colors: ColorMap) -> NDArray[np.float32]:
    small = cv2.resize(picture.astype(np.float32), colors.colors.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(colors.colors.shape)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(8, 8), (4, 6), (1, 1), (16, 16)]))
def test_cells_get_the_received_averages(seed: int, grid: tuple[int, int]) -> None:
    random = np.random.default_rng(seed)
    colors = ColorMap(random.integers(90, 166, (*grid, 3), dtype=np.uint8), (128, 96))
    picture = np.clip(random.normal(128, 15, (96, 128, 3)), 0, 255).astype(np.uint8)
    fitted = fit_colors(picture, colors)
    assert np.abs(averages(fitted, colors) - colors.colors).max() < 2
    assert np.abs(averages(fitted, colors) - colors.colors).mean() < 0.6


def test_a_picture_that_fits_stays_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    colors = ColorMap(
        np.round(averages(picture, ColorMap(np.zeros((4, 4, 3), np.uint8), (64, 64)))).astype(np.uint8), (64, 64)
    )
    assert np.array_equal(fit_colors(picture, colors), picture)


def test_lines_stay_where_they_are() -> None:
    picture = np.full((64, 64, 3), 100, np.uint8)
    picture[:, 30:34] = 160
    fitted = fit_colors(picture, ColorMap(np.full((4, 4, 3), 150, np.uint8), (64, 64)))
    jumps = np.abs(np.diff(fitted[32, :, 0].astype(int)))
    assert set(np.argsort(jumps)[-2:]) == {29, 33}


@pytest.mark.parametrize("shade", [0, 255])
def test_black_and_white_end_the_search(shade: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    fitted = fit_colors(picture, ColorMap(np.full((2, 2, 3), shade, np.uint8), (32, 32)))
    assert np.abs(fitted.astype(int) - shade).mean() < 12
