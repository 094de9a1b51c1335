"""The plane code in torch agrees with the codec's, and gradients pass through the transform."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from codec.wavelet import transform
from codec.wavelet.plane import Plane
from training.restoration.coding import (
    confine,
    dequantise,
    prefix_planes,
    quantise,
    to_channels,
    to_coefficients,
    to_samples,
)

SIZES = [(96, 128), (33, 57), (7, 7)]


@pytest.mark.parametrize("shape", SIZES)
def test_it_computes_what_the_codec_computes(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    picture = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    wanted = transform.to_channels(picture)
    channels = to_channels(torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32)))
    assert np.abs(channels[0].numpy() - wanted).max() < 1e-3
    coefficients = to_coefficients(channels)
    exact = transform.forward(wanted)
    assert np.abs(coefficients[0].numpy() - exact).max() < 0.05
    assert (to_samples(coefficients) - channels).abs().max() < 0.01
    last = prefix_planes(shape, torch.tensor([6.0]), torch.tensor([0.43]), torch.tensor([True]))
    plane = Plane.of(exact, last[0].numpy().astype(np.int8))
    magnitudes, signs = quantise(torch.from_numpy(exact)[None], last)
    assert (magnitudes[0].numpy() == plane.magnitudes).all()
    assert (signs[0].numpy() == plane.signs).all()
    assert (dequantise(magnitudes, signs, last)[0].numpy() == plane.to_coefficients()).all()
    moved = exact + random.normal(0, 200, exact.shape).astype(np.float32)
    confined = confine(torch.from_numpy(moved)[None], magnitudes, signs, last)
    plane.confine(moved)
    assert np.abs(confined[0].numpy() - moved).max() < 1e-3


def test_prefixes_end_within_a_plane() -> None:
    whole, half, none = (
        prefix_planes((64, 64), torch.tensor([7.0]), torch.tensor([done]), torch.tensor([False]))[0]
        for done in (1.0, 0.5, 0.0)
    )
    unknown = transform.top_plane(64, 64) + 1
    assert set(whole.flatten().tolist()) == {7.0, unknown}
    assert set(none.flatten().tolist()) == {8.0, unknown}
    assert set(half.flatten().tolist()) == {7.0, 8.0, unknown}
    for band in transform.bands(64, 64):
        if band.level == 1 and band.orientation:
            assert (half[:, *band.area] == unknown).all()
    # Coarse bands come first.
    assert (half[:, :4, :4] == 7).all()


@pytest.mark.parametrize("shape", SIZES)
def test_gradients_are_those_of_the_linear_map(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values, weights, step = (torch.randn(1, 3, *shape) for _ in range(3))
    for function in (to_coefficients, to_samples):
        values.requires_grad_(True)
        (slope,) = torch.autograd.grad((function(values) * weights).sum(), values)
        change = ((function(values + step) - function(values)) * weights).sum()
        assert float(change.detach()) == pytest.approx(float((slope * step).sum()), rel=1e-3, abs=1e-2)
