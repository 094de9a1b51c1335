"""Multi-scale structural similarity (MS-SSIM)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.pictures.quality import SIGMA, SSIM_C1, SSIM_C2, WINDOW

#: Weight of each scale, from the finest.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ms_ssim(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the multi-scale structural similarity of two (H, W) uint8 pictures, at most 1. Sides: at least 176 pixels.

    Z. Wang, E. Simoncelli, A. Bovik, "Multiscale Structural Similarity for Image Quality Assessment", 2003.
    """
    first, second = drawn.astype(np.float32), original.astype(np.float32)
    result = 1.0
    for index, weight in enumerate(WEIGHTS):
        whole, structure = _similarity(first, second)
        result *= max(whole if index == len(WEIGHTS) - 1 else structure, 1e-6) ** weight
        size = (first.shape[1] // 2, first.shape[0] // 2)
        first, second = (
            np.asarray(cv2.resize(each, size, interpolation=cv2.INTER_AREA), np.float32) for each in (first, second)
        )
    return result


def _similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[float, float]:
    """Return the mean similarity, and the mean of its contrast and structure terms alone."""
    mean, other_mean = _window(first), _window(second)
    spread = _window(first * first) - mean * mean
    other_spread = _window(second * second) - other_mean * other_mean
    shared = _window(first * second) - mean * other_mean
    structure = (2 * shared + SSIM_C2) / (spread + other_spread + SSIM_C2)
    light = (2 * mean * other_mean + SSIM_C1) / (mean**2 + other_mean**2 + SSIM_C1)
    return float((light * structure).mean()), float(structure.mean())


def _window(values: NDArray[np.float32]) -> NDArray[np.float32]:
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA)[inner, inner], np.float32)
