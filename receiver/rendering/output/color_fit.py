"""Fit a rendered picture to a colour map: the averages of its cells become those of the map.

The colour map states the average of each cell, so a picture with other averages is wrong. The error of each cell is
spread smoothly over the picture, and the process is repeated until no error is left: iterative back-projection
(M. Irani, S. Peleg, "Improving Resolution by Image Registration", 1991). Edges stay where they are.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import ColorMap

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
    for _ in range(MAX_ROUNDS):
        missing = wanted - cv2.resize(fitted, (columns, rows), interpolation=cv2.INTER_AREA).reshape(wanted.shape)
        if np.abs(missing).max() < CLOSE_ENOUGH:
            break
        # In place: of a picture of 512 pixels each new array would be 3 MB.
        cv2.resize(missing, (width, height), dst=spread, interpolation=cv2.INTER_LINEAR)
        fitted += spread
        np.clip(fitted, 0, 255, out=fitted)
    return np.asarray(np.rint(fitted, out=fitted), np.uint8)
