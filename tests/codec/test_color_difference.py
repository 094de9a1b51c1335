"""codec.color_difference: CIEDE2000 against the reference pairs of Sharma, Wu and Dalal, table 1."""

import numpy as np
import pytest

from codec.color_difference import bend, ciede2000, ellipsoids, to_lab, unbend


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_reference_pairs(first: tuple[float, ...], second: tuple[float, ...], difference: float) -> None:
    found = ciede2000(np.array(first), np.array(second))
    assert found == pytest.approx(difference, abs=1e-4)
    assert ciede2000(np.array(second), np.array(first)) == pytest.approx(difference, abs=1e-4)


def test_lab_of_known_colors() -> None:
    lab = to_lab(np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0]], np.uint8))
    assert lab == pytest.approx(np.array([[0, 0, 0], [100, 0, 0], [53.24, 80.09, 67.20]]), abs=0.02)


def test_unbend_inverts_bend() -> None:
    colors = np.random.default_rng(3).integers(0, 256, (200, 3), dtype=np.uint8)
    assert np.abs(unbend(bend(colors)).astype(int) - colors).max() <= 1


def test_ellipsoids_approximate_ciede2000() -> None:
    random = np.random.default_rng(5)
    colors = random.integers(0, 256, (500, 3), dtype=np.uint8)
    lab = to_lab(colors)
    steps = random.normal(0, 0.05, lab.shape)
    forms = ellipsoids(colors)
    squares = (forms[:, :3] * steps**2).sum(axis=1) + forms[:, 3] * steps[:, 1] * steps[:, 2]
    # CIEDE2000 is not smooth at zero chroma.
    chromatic = np.hypot(lab[:, 1], lab[:, 2]) > 3
    assert np.sqrt(squares)[chromatic] == pytest.approx(ciede2000(lab, lab + steps)[chromatic], rel=0.05)
