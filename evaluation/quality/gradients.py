"""Gradient magnitude similarity deviation (GMSD).

W. Xue, L. Zhang, X. Mou, A. Bovik, "Gradient Magnitude Similarity Deviation", IEEE TIP 23(2), 2014.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

#: Stabilises the ratio of gradients where both are weak (the paper's own value, for 0 to 255).
GMSD_C = 170.0


def gmsd(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the gradient magnitude similarity deviation of two (H, W) uint8 pictures, 0 if they are equal."""
    return gmsd_of(gradient(drawn), gradient(original))


def gmsd_of(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the figure from two gradients of `gradient`."""
    similarity = (2 * first * second + GMSD_C) / (first**2 + second**2 + GMSD_C)
    return float(similarity.std())


def gradient(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the magnitude of Prewitt's gradient of a (H, W) uint8 picture at half its size."""
    half = cv2.resize(gray.astype(np.float32), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    across = np.repeat(np.array([[1, 0, -1]], np.float32) / 3, 3, axis=0)
    return np.asarray(np.hypot(cv2.filter2D(half, -1, across), cv2.filter2D(half, -1, across.T)), np.float32)
