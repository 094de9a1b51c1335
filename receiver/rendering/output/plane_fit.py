"""Fit a rendered picture to a plane: all its wavelet coefficients move into the cells that are known.

The result says what was sent and nothing that contradicts it: encoded again down to the same bit planes, it gives the
same bits as far as rounding to whole levels allows. What the plane leaves open stays as rendered.
"""

import numpy as np
from numpy.typing import NDArray

from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, inverse, to_channels, to_picture

#: Most rounds of alternating projections. Clipping to 0..255 moves coefficients out of their cells again: pictures need
#: one round where nothing clips.
MAX_ROUNDS = 3

#: Largest move of a coefficient that rounding to whole levels explains.
_ROUNDING = 4.0


def fit_plane(picture: NDArray[np.uint8], plane: Plane) -> NDArray[np.uint8]:
    """Make a picture, (H, W, 3) uint8 RGB of the plane's canvas size, consistent with a plane."""
    for _ in range(MAX_ROUNDS):
        coefficients = forward(to_channels(picture))
        before = coefficients.copy()
        plane.confine(coefficients)
        if np.abs(coefficients - before).max() <= _ROUNDING:
            break
        picture = to_picture(inverse(coefficients))
    return picture
