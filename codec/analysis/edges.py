"""Picture -> edge map, by OpenCV's Canny on the area-averaged picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import EdgeMap, grid_size

#: Bounds of the upper Canny threshold: below, noise turns into lines; above, soft pictures lose all of them.
HIGH_BOUNDS = (60.0, 220.0)

#: Share of grid cells whose gradient may pass the upper threshold.
STRONG_SHARE = 0.15


def canny_thresholds(gray: NDArray[np.uint8]) -> tuple[float, float]:
    """Choose Canny's (low, high) from the picture: the gradient that only the strongest 15 % of pixels pass.

    Args:
        gray: (H, W) uint8.
    """
    across = cv2.Sobel(gray, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    high = float(np.quantile(np.abs(across) + np.abs(down), 1 - STRONG_SHARE))
    high = float(np.clip(high, *HIGH_BOUNDS))
    return high / 2, high


def detect_edges(picture: NDArray[np.uint8], long_side: int, thresholds: tuple[float, float] | None = None) -> EdgeMap:
    """Find the lines of a picture.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        long_side: cells on the long side of the grid.
        thresholds: Canny's (low, high); chosen from the picture if not given.
    """
    height, width = picture.shape[:2]
    canvas = (width, height)
    small = cv2.resize(picture, grid_size(canvas, long_side), interpolation=cv2.INTER_AREA)
    gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    low, high = thresholds or canny_thresholds(gray)
    return EdgeMap(cv2.Canny(gray, low, high) > 0, canvas)
