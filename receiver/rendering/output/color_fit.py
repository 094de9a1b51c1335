"""Fit a rendered picture to a colour map: the averages of its cells become those of the map.

The colour map states the average of each cell, so a picture with other averages is wrong. The error of each cell is
spread smoothly over the picture, and the process is repeated until no error is left: iterative back-projection
(M. Irani, S. Peleg, "Improving Resolution by Image Registration", 1991). Edges stay where they are.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import ColorMap, Size

#: Most rounds of correction. Pictures need about four, maps of random colours up to ten.
MAX_ROUNDS = 12

#: Largest error that counts as equal, in levels of 255.
CLOSE_ENOUGH = 0.5


def fit_colors(picture: NDArray[np.uint8], colors: ColorMap) -> NDArray[np.uint8]:
    """Give the cells of a picture the averages of a colour map, as far as the range from 0 to 255 allows.

    Args:
        picture: (H, W, 3) uint8 RGB; at least as large as the map.
        colors: the colour map.
    """
    height, width = picture.shape[:2]
    rows, columns = colors.colors.shape[:2]
    fitted, wanted = picture.astype(np.float32), colors.colors.astype(np.float32)
    spread = np.empty_like(fitted)
    for number in range(MAX_ROUNDS):
        missing = wanted - cv2.resize(fitted, (columns, rows), interpolation=cv2.INTER_AREA).reshape(wanted.shape)
        if np.abs(missing).max() < CLOSE_ENOUGH:
            break
        # After the first round only clipping leaves errors, which the grid knows nothing of.
        correction = missing if number else _correction(missing, (width, height))
        # In place: of a picture of 512 pixels each new array would be 3 MB.
        cv2.resize(correction, (width, height), dst=spread, interpolation=cv2.INTER_LINEAR)
        fitted += spread
        np.clip(fitted, 0, 255, out=fitted)
    return np.asarray(np.rint(fitted, out=fitted), np.uint8)


def _correction(missing: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Return the map whose smooth enlargement to `size` (width, height) adds `missing` to the averages of its cells.

    These are the rounds of back-projection, on the grid instead of the picture: the same result, as long as nothing is
    clipped, in a small part of the time.
    """
    down, across = _averaging(missing.shape[0], size[1]), _averaging(missing.shape[1], size[0])
    correction = missing.copy()
    for _ in range(MAX_ROUNDS):
        rest = missing - across @ np.tensordot(down, correction, 1)
        if np.abs(rest).max() < CLOSE_ENOUGH / 2:
            break
        correction += rest
    return correction


@lru_cache(maxsize=16)
def _averaging(cells: int, side: int) -> NDArray[np.float32]:
    """Return the averages of cells, (cells, cells), after each cell alone was enlarged to `side` pixels smoothly."""
    enlarged = cv2.resize(np.eye(cells, dtype=np.float32), (cells, side), interpolation=cv2.INTER_LINEAR)
    averages = cv2.resize(enlarged.reshape(side, cells), (cells, cells), interpolation=cv2.INTER_AREA)
    return np.asarray(averages, np.float32).reshape(cells, cells)
