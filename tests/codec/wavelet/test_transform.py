"""Wavelet transform and partially known planes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.wavelet import transform
from codec.wavelet.plane import Plane

sides = st.integers(1, 70)


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 50, (3, height, width)).astype(np.float32)


@settings(deadline=None)
@given(sides, sides)
def test_transform_and_back_is_the_same_at_any_size(width: int, height: int) -> None:
    samples = noise(width, height)
    assert np.abs(transform.inverse(transform.forward(samples)) - samples).max() < 1e-3


@settings(deadline=None)
@given(sides, sides)
def test_bands_cover_every_coefficient_once(width: int, height: int) -> None:
    count = np.zeros((height, width), int)
    for band in transform.bands(width, height):
        count[band.area] += 1
    assert (count == 1).all()


@pytest.mark.parametrize(("width", "height"), [(512, 512), (301, 200), (33, 65), (1, 64)])
def test_error_in_coefficients_is_about_as_large_in_the_picture(width: int, height: int) -> None:
    coefficients = noise(width, height)
    gain = np.square(transform.inverse(coefficients)).mean() / np.square(coefficients).mean()
    assert 0.9 < gain < 1.1


def test_flat_picture_is_one_low_band_within_the_top_plane() -> None:
    coefficients = transform.forward(np.full((1, 512, 512), 127, np.float32))
    assert np.abs(coefficients[0, :4, :4] - 127 * 128).max() < 0.1
    assert np.abs(coefficients[0, 4:, :]).max() < 0.1
    assert transform.top_plane(512, 512) == 14


def test_skipped_levels_leave_a_smaller_picture_of_the_same_colours() -> None:
    rows, columns = np.mgrid[:301, :200].astype(np.float32)
    samples = np.stack([np.sin(rows / 50), columns / 100, np.ones_like(rows)])
    small = transform.inverse(transform.forward(samples), skip=2)
    assert small.shape == (3, 76, 50)
    assert np.abs(small - samples[:, ::4, ::4]).max() < 0.05


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_colours_come_back_exactly(seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (5, 9, 3), np.uint8)
    assert (transform.to_picture(transform.to_channels(picture)) == picture).all()


@pytest.mark.parametrize("plane", [3, 6, 12, 15])
def test_coefficients_lie_in_the_cells_of_their_magnitudes(plane: int) -> None:
    coefficients = transform.forward(transform.to_channels(np.full((64, 48, 3), 200, np.uint8)) + noise(48, 64))
    last = np.full(coefficients.shape, min(plane, transform.top_plane(48, 64) + 1), np.int8)
    known = Plane.of(coefficients, last)
    step = 2.0 ** last[0, 0, 0]
    assert (np.abs(known.to_coefficients() - coefficients) < np.where(known.magnitudes > 0, 0.55, 1) * step).all()


def test_plane_of_all_bits_is_the_picture_and_of_none_is_grey() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    coefficients = transform.forward(transform.to_channels(picture))
    whole = Plane.of(coefficients, np.zeros(coefficients.shape, np.int8))
    assert np.abs(whole.to_image().astype(int) - picture).max() <= 4
    empty = Plane.of(coefficients, np.full(coefficients.shape, transform.top_plane(61, 40) + 1, np.int8))
    assert (empty.to_image() == 128).all()
    assert whole.colors(16).shape == (10, 16, 3)
    assert (empty.colors(16) == 128).all()


def test_confined_coefficients_keep_their_magnitudes() -> None:
    coefficients = transform.forward(noise(48, 64))
    known = Plane.of(coefficients, np.full(coefficients.shape, 5, np.int8))
    other = coefficients + transform.forward(noise(48, 64, seed=1))
    known.confine(other)
    step = 2.0**5
    low = np.where(known.magnitudes > 0, known.magnitudes * step, -step)
    high = np.where(known.magnitudes > 0, low + step, step)
    size = np.where(known.magnitudes > 0, other * known.signs, other)
    assert ((size >= low) & (size <= high)).all()
    known.confine(coefficients)
    assert np.abs(coefficients - transform.forward(noise(48, 64))).max() <= step / 64
