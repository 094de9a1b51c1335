"""Structural similarity, at one scale (SSIM) and at several (MS-SSIM).

Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image Quality Assessment", IEEE TIP 13(4), 2004.
Z. Wang, E. Simoncelli, A. Bovik, "Multiscale Structural Similarity for Image Quality Assessment", 2003.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

#: Stabilise the ratios: (0.01 * 255)^2 and (0.03 * 255)^2.
SSIM_C1, SSIM_C2 = 6.5025, 58.5225

#: The Gaussian window, in pixels: side and sigma.
WINDOW, SIGMA = 11, 1.5

#: MS-SSIM's weight of each scale, from the finest.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

#: Shortest side of a picture for MS-SSIM, in pixels: the window must fit into the coarsest scale.
MIN_SIDE = WINDOW << (len(SCALE_WEIGHTS) - 1)

#: Smallest factor of a scale: a negative one has no power.
_LEAST = 1e-6


class Similarity:
    """The structural similarity of pictures with one original.

    Args:
        original: (H, W) or (H, W, 3) uint8; the channels are averaged.
    """

    def __init__(self, original: NDArray[np.uint8]) -> None:
        self._scales: list[_Scale] = []
        current = original.astype(np.float32)
        while len(self._scales) < len(SCALE_WEIGHTS) and min(current.shape[:2]) >= WINDOW:
            self._scales.append(_Scale(current))
            current = _halved(current)

    def ssim(self, drawn: NDArray[np.uint8]) -> float:
        """Return SSIM, up to 1, of a picture of the original's shape."""
        return float(np.mean(self._scales[0].compare(drawn.astype(np.float32))[0]))

    def ms_ssim(self, drawn: NDArray[np.uint8]) -> float:
        """Return MS-SSIM, up to 1, of a picture of the original's shape. Sides: at least `MIN_SIDE` pixels."""
        return self.both(drawn)[1]

    def both(self, drawn: NDArray[np.uint8]) -> tuple[float, float]:
        """Return SSIM and MS-SSIM; MS-SSIM is NaN for a picture that is too small for it."""
        current = drawn.astype(np.float32)
        first, product = np.zeros(1), np.ones(1)
        for number, (scale, weight) in enumerate(zip(self._scales, SCALE_WEIGHTS, strict=False)):
            whole, structure = scale.compare(current)
            if number == 0:
                first = whole
            product = product * np.maximum(whole if number == len(SCALE_WEIGHTS) - 1 else structure, _LEAST) ** weight
            current = _halved(current)
        small = len(self._scales) < len(SCALE_WEIGHTS)
        return float(np.mean(first)), float("nan") if small else float(np.mean(product))


def ssim(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the mean structural similarity of two pictures, (H, W) or (H, W, 3) uint8."""
    return Similarity(original).ssim(drawn)


def ms_ssim(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the multi-scale structural similarity of two pictures, (H, W) or (H, W, 3) uint8."""
    return Similarity(original).ms_ssim(drawn)


class _Scale:
    """The original at one scale, with what every comparison needs of it."""

    def __init__(self, original: NDArray[np.float32]) -> None:
        self._original = original
        self._mean = _window(original)
        self._spread = _window(original * original) - self._mean**2

    def compare(self, drawn: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean similarity of each channel, and the mean of its contrast and structure terms alone."""
        mean = _window(drawn)
        spread = _window(drawn * drawn) - mean * mean
        shared = _window(drawn * self._original) - mean * self._mean
        structure = (2 * shared + SSIM_C2) / (spread + self._spread + SSIM_C2)
        light = (2 * mean * self._mean + SSIM_C1) / (mean**2 + self._mean**2 + SSIM_C1)
        return _channel_means(light * structure), _channel_means(structure)


def _channel_means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.array(cv2.mean(values)[: values.shape[2] if values.ndim == 3 else 1])


def _window(values: NDArray[np.float32]) -> NDArray[np.float32]:
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA)[inner, inner], np.float32)


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    size = (values.shape[1] // 2, values.shape[0] // 2)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
