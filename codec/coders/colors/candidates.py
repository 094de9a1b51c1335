"""Candidate levels for given colours, in integers only: a colour map gives the same bytes on every machine.

CIELAB is in units of 1/256. Ellipsoids approximate the visible difference of colours: `training.tables.shades`
tabulates, for the colour of every triple of levels, a quadratic form that approximates CIEDE2000 squared near it.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.model import STEP_TENTHS, load_color_table
from codec.coders.tables import load_table

#: Fixed-point value of one in CIELAB, and in CIEDE2000 differences.
LAB_ONE = 256

#: Fixed-point values of one in linear light, in cube roots of light, in the compression of chroma, and in ellipsoids.
LINEAR_ONE = 1 << 16
ROOT_ONE = 1 << 18
SHRINK_ONE = 1 << 14
FORM_ONE = 1 << 12

#: log2 of the steps of the tables over linear light, lightness and chroma; values between are interpolated linearly.
LINEAR_STEP, LIGHTNESS_STEP, CHROMA_STEP = 4, 5, 6

#: Number of candidates for a colour.
CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidate levels of each cell.

    Attributes:
        levels: (rows, columns, `CANDIDATES`, 3) int32; the bits of the index select the side of each
            level, the first level by the highest bit.
        distances: (rows, columns, `CANDIDATES`) int32, difference from the exact colour; 256 is a CIEDE2000 of 1.
    """

    levels: NDArray[np.int32]
    distances: NDArray[np.int32]


def find_candidates(colors: NDArray[np.uint8], step: int) -> Candidates:
    """Return the levels on both sides of the exact ones.

    Args:
        colors: (rows, columns, 3) uint8 RGB.
        step: index of `codec.coders.colors.model.TENTHS`.
    """
    exact = _to_lab(colors)
    bent = 10 * _bend(exact)
    size = STEP_TENTHS[step] * LAB_ONE
    below = bent // size
    nearest = (bent + size // 2) // size
    other = np.where(nearest == below, below + 1, below)
    sides = np.stack([nearest, other], axis=-1)
    picks = np.array([[pick >> 2 & 1, pick >> 1 & 1, pick & 1] for pick in range(CANDIDATES)])
    levels = np.stack([sides[:, :, plane][:, :, picks[:, plane]] for plane in range(3)], axis=-1)
    table = load_color_table(step)
    place = tuple(np.moveaxis(table.indices_of(levels), -1, 0))
    away = _to_lab(table.colors[place]) - exact[:, :, None]
    form = load_table("shades")[f"forms_{step}"][place].astype(np.int64)
    square = np.zeros(levels.shape[:3], np.int64)
    for index, (first, second) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2))):
        square += form[..., index] * away[..., first] * away[..., second]
    # Square roots of integers are identical on every machine.
    distances = np.sqrt(np.maximum(square // FORM_ONE, 0).astype(np.float64))
    return Candidates(np.ascontiguousarray(levels, np.int32), distances.astype(np.int32))


@cache
def _table(name: str) -> NDArray[np.int64]:
    return load_table("shades")[name].astype(np.int64)


def _interpolate(name: str, values: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    table = _table(name)
    place = values >> step
    part = values & ((1 << step) - 1)
    following = table[np.minimum(place + 1, table.size - 1)]
    return np.asarray(table[place] + ((following - table[place]) * part >> step))


def _to_lab(colors: NDArray[np.uint8]) -> NDArray[np.int64]:
    linear = _table("linear")[colors]
    xyz = linear @ _table("to_xyz").T // LINEAR_ONE
    roots = _interpolate("roots", np.clip(xyz, 0, LINEAR_ONE), LINEAR_STEP)
    x, y, z = roots[..., 0], roots[..., 1], roots[..., 2]
    light = np.clip(116 * LAB_ONE * y // ROOT_ONE - 16 * LAB_ONE, 0, 100 * LAB_ONE)
    return np.stack([light, 500 * LAB_ONE * (x - y) // ROOT_ONE, 200 * LAB_ONE * (y - z) // ROOT_ONE], axis=-1)


def _bend(lab: NDArray[np.int64]) -> NDArray[np.int64]:
    """Compute `codec.color_difference.bend` in integers, from CIELAB."""
    chroma = np.sqrt((lab[..., 1] ** 2 + lab[..., 2] ** 2).astype(np.float64)).astype(np.int64)
    shrink = _interpolate("shrink", chroma, CHROMA_STEP)
    light = _interpolate("lightness", lab[..., 0], LIGHTNESS_STEP)
    return np.stack([light, lab[..., 1] * shrink // SHRINK_ONE, lab[..., 2] * shrink // SHRINK_ONE], axis=-1)
