"""Levels that look like colours: whole numbers that agree with what is measured."""

import numpy as np
import pytest

from codec.coders.colors.candidates import LAB_ONE, propose_levels
from codec.coders.colors.model import TENTHS, load_shades
from codec.color_difference import bend, ciede2000, to_lab

COLORS = np.random.default_rng(7).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("step", range(len(TENTHS)))
def test_the_first_is_nearest_and_the_others_are_around(step: int) -> None:
    levels = propose_levels(COLORS, step).levels
    ideal = bend(COLORS) / TENTHS[step] * 10
    assert np.abs(levels[:, :, 0] - ideal).max() < 0.52
    assert (levels.min(axis=2) - 0.02 <= ideal).all()
    assert (ideal <= levels.max(axis=2) + 0.02).all()
    assert all(len(np.unique(cell, axis=0)) == 8 for cell in levels.reshape(-1, 8, 3))


def test_looks_are_near_ciede2000() -> None:
    proposals = propose_levels(COLORS, 1)
    shades = load_shades(1)
    shown = shades.colors[tuple(np.moveaxis(shades.place(proposals.levels), -1, 0))]
    measured = ciede2000(to_lab(COLORS)[:, :, None], to_lab(shown))
    looks = proposals.looks / LAB_ONE
    assert np.corrcoef(looks.ravel(), measured.ravel())[0, 1] > 0.98
    near = measured < 3
    assert np.abs(looks - measured)[near].mean() < 0.15
