"""Build the table `shades`: the colours of quantiser levels and their perceptual distances (`codec.coders.colors`)."""

import numpy as np
from numpy.typing import NDArray

from codec.coders.colors.candidates import (
    CHROMA_STEP,
    FORM_ONE,
    LAB_ONE,
    LIGHTNESS_STEP,
    LINEAR_ONE,
    LINEAR_STEP,
    ROOT_ONE,
    SHRINK_ONE,
)
from codec.coders.colors.model import STEP_TENTHS
from codec.color_difference import TO_XYZ, bend, bend_lightness, ellipsoids, shrink_chroma, unbend


def build() -> dict[str, NDArray[np.generic]]:
    """Make the table `shades`."""
    table = _tabulate_looks()
    for step in range(len(STEP_TENTHS)):
        table.update(_tabulate_levels(step))
    return table


def _tabulate_looks() -> dict[str, NDArray[np.generic]]:
    """Return the colour conversion tables of `codec.coders.colors.candidates`."""
    part = np.arange(256) / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    light = np.arange(0, LINEAR_ONE + 1, 1 << LINEAR_STEP) / LINEAR_ONE
    roots = np.where(light > (6 / 29) ** 3, np.cbrt(light), light * (29 / 6) ** 2 / 3 + 4 / 29)
    lightness = bend_lightness(np.arange(0, 100 * LAB_ONE + 1, 1 << LIGHTNESS_STEP) / LAB_ONE)
    shrink = shrink_chroma(np.arange(0, 160 * LAB_ONE + 1, 1 << CHROMA_STEP) / LAB_ONE)
    scaled = {
        "linear": linear * LINEAR_ONE,
        "to_xyz": TO_XYZ * LINEAR_ONE,
        "roots": roots * ROOT_ONE,
        "lightness": lightness * LAB_ONE,
        "shrink": shrink * SHRINK_ONE,
    }
    return {name: np.round(values).astype(np.int32) for name, values in scaled.items()}


def _tabulate_levels(step: int) -> dict[str, NDArray[np.generic]]:
    """Return the RGB of each triple of levels, and the quadratic form of perceptual differences from it."""
    size = STEP_TENTHS[step] / 10
    corners = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3, indexing="ij"), axis=-1).astype(np.uint8)
    levels = np.round(bend(corners) / size).astype(int).reshape(-1, 3)
    low, high = levels.min(axis=0), levels.max(axis=0)
    axes = [np.arange(first, last + 1) for first, last in zip(low, high, strict=True)]
    bent = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) * size
    colors = unbend(bent)
    forms = np.round(ellipsoids(colors) * FORM_ONE).astype(np.int16)
    return {f"colors_{step}": colors, f"origin_{step}": (-low).astype(np.int16), f"forms_{step}": forms}
