"""codec.coders.colors.candidates: integer results that agree with CIEDE2000 in floats."""

import numpy as np
import pytest

from codec.coders.colors.candidates import LAB_ONE, find_candidates
from codec.coders.colors.model import STEP_TENTHS, load_color_table
from codec.color_difference import bend, ciede2000, to_lab

COLORS = np.random.default_rng(7).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("step", range(len(STEP_TENTHS)))
def test_the_first_candidate_is_nearest_and_the_others_surround_it(step: int) -> None:
    levels = find_candidates(COLORS, step).levels
    ideal = bend(COLORS) / STEP_TENTHS[step] * 10
    assert np.abs(levels[:, :, 0] - ideal).max() < 0.52
    assert (levels.min(axis=2) - 0.02 <= ideal).all()
    assert (ideal <= levels.max(axis=2) + 0.02).all()
    assert all(len(np.unique(cell, axis=0)) == 8 for cell in levels.reshape(-1, 8, 3))


def test_distances_approximate_ciede2000() -> None:
    candidates = find_candidates(COLORS, 1)
    shades = load_color_table(1)
    shown = shades.colors[tuple(np.moveaxis(shades.indices_of(candidates.levels), -1, 0))]
    measured = ciede2000(to_lab(COLORS)[:, :, None], to_lab(shown))
    distances = candidates.distances / LAB_ONE
    assert np.corrcoef(distances.ravel(), measured.ravel())[0, 1] > 0.98
    near = measured < 3
    assert np.abs(distances - measured)[near].mean() < 0.15
