"""A drawn picture -> the same picture with the colours that were sent: its cells' averages are the colour map's.

A colour map says what each cell's average is, so a picture with other averages is known to be wrong. What is missing
of each cell is spread smoothly over the picture, until nothing is: iterative back-projection (M. Irani, S. Peleg,
"Improving Resolution by Image Registration", 1991). Lines stay where they are.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import ColorMap

#: Rounds of correction; most pictures need four.
MAX_ROUNDS = 8

#: Averages nearer than this are those of the map, in levels of 255.
CLOSE_ENOUGH = 0.5


def fit_colors(picture: NDArray[np.uint8], colors: ColorMap) -> NDArray[np.uint8]:
    """Give the cells of a picture the averages of a colour map, as far as black and white allow.

    Args:
        picture: (H, W, 3) uint8 RGB; any size at least the map's.
    """
    height, width = picture.shape[:2]
    rows, columns = colors.colors.shape[:2]
    fitted, wanted = picture.astype(np.float32), colors.colors.astype(np.float32)
    for _ in range(MAX_ROUNDS):
        missing = wanted - cv2.resize(fitted, (columns, rows), interpolation=cv2.INTER_AREA).reshape(wanted.shape)
        if np.abs(missing).max() < CLOSE_ENOUGH:
            break
        fitted = np.clip(fitted + cv2.resize(missing, (width, height), interpolation=cv2.INTER_LINEAR), 0, 255)
    return np.asarray(np.round(fitted), np.uint8)
