"""Synthetic pictures for the tests of the codec."""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import EdgeMap
from codec.structure.contours import find_contours


def draw_picture(width: int = 512, height: int = 512) -> NDArray[np.uint8]:
    """Draw a house on a hill under a sun: (H, W, 3) uint8 RGB, identical on every machine."""
    rows, columns = np.mgrid[0:height, 0:width]
    sky = np.stack([90 + rows * 80 // height, 140 + rows * 60 // height, 230 - rows * 20 // height], axis=-1)
    picture = sky.astype(np.uint8)
    hill = rows > height * 0.7 - 60 * np.sin(columns * 3.1 / width)
    picture[hill] = (60, 130, 50)
    unit = min(width, height) // 16
    cv2.circle(picture, (width * 3 // 4, height // 5), 2 * unit, (250, 230, 90), -1)
    cv2.rectangle(picture, (3 * unit, 7 * unit), (8 * unit, 12 * unit), (180, 90, 70), -1)
    roof = np.array([(2 * unit, 7 * unit), (11 * unit // 2, 4 * unit), (9 * unit, 7 * unit)])
    cv2.fillPoly(picture, [roof], (110, 40, 40))
    for column in (4, 6):
        cv2.rectangle(picture, (column * unit, 8 * unit), ((column + 1) * unit, 9 * unit), (240, 240, 200), -1)
    return picture


def draw_edges(side: int = 96) -> EdgeMap:
    """Return the picture's lines on a grid with `side` cells on its long side."""
    return find_contours(draw_picture())[0].draw(side)
