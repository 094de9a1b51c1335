"""SSIMULACRA2, as the package `ssimulacra2` computes it, in a twentieth of its time.

The metric is J. Sneyers's (github.com/cloudinary/ssimulacra2). Colour matrix, weights and polynomial come from the
package. This module keeps the parts of the original that every comparison needs, and filters in single precision.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from layercast_common.errors import MissingExtraError

#: Scales of the metric, and the shortest side of a picture at the coarsest, in pixels.
SCALES, MIN_SIDE = 6, 8

_KERNEL = cv2.getGaussianKernel(11, 1.5, cv2.CV_32F)
_IDENTITY = np.ones((1, 1), np.float32)

_Picture = NDArray[np.float32]


class Ssimulacra2:
    """SSIMULACRA2 of pictures with one original.

    Args:
        original: (H, W, 3) uint8 RGB.

    Raises:
        MissingExtraError: the package is not installed.
    """

    def __init__(self, original: NDArray[np.uint8]) -> None:
        self._package = _load()
        self._scales = []
        for picture in self._pyramid(original):
            mean = _blur(picture)
            edges = 1 + np.abs(picture - mean)
            self._scales.append((picture, mean, _blur(picture * picture) - mean * mean, edges))

    def score(self, drawn: NDArray[np.uint8]) -> float:
        """Return the score of a picture, (H, W, 3) uint8 RGB: 100 if it equals the original; can be negative."""
        constant = np.float32(self._package.kC2)
        figures = []
        for (original, mean, spread, edges), picture in zip(self._scales, self._pyramid(drawn), strict=True):
            other = _blur(picture)
            both = _blur(original * picture) - mean * other
            spreads = spread + (_blur(picture * picture) - other * other) + constant
            loss = np.maximum(1 - (1 - np.square(mean - other)) * (2 * both + constant) / spreads, 0)
            ratio = (1 + np.abs(picture - other)) / edges - 1
            figures.append((_norms(loss), _norms(np.maximum(ratio, 0)), _norms(np.maximum(-ratio, 0))))
        return self._combine(figures)

    def _pyramid(self, picture: NDArray[np.uint8]) -> list[_Picture]:
        """Return the picture in positive XYB at each scale; halved in linear light."""
        linear = _linear_light()[picture]
        scales: list[_Picture] = []
        while len(scales) < SCALES and min(linear.shape[:2]) >= MIN_SIDE:
            scales.append(self._to_xyb(linear))
            linear = self._halved(linear)
        return scales

    def _to_xyb(self, linear: _Picture) -> _Picture:
        matrix = self._package.kOpsinAbsorbanceMatrix.reshape(3, 3).astype(np.float32)
        bias = self._package.kOpsinAbsorbanceBias.astype(np.float32)
        mixed = cv2.pow(np.maximum(cv2.transform(linear, matrix) + bias, 0), 1 / 3) - np.cbrt(bias)
        first, second = mixed[..., 0], mixed[..., 1]
        light = (first + second) / 2
        return np.stack([(first - second) * 7 + 0.42, light + 0.01, mixed[..., 2] - light + 0.55], axis=2)

    def _halved(self, linear: _Picture) -> _Picture:
        height, width = linear.shape[:2]
        if height % 2 or width % 2:
            return np.asarray(self._package.downsample(linear, 2, 2), np.float32)
        return np.asarray(cv2.resize(linear, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32)

    def _combine(self, figures: Sequence[tuple[NDArray[np.float64], ...]]) -> float:
        combined = self._package.Msssim()
        for loss, added, removed in figures:
            scale = self._package.MsssimScale()
            scale.avg_ssim = loss.reshape(-1)
            scale.avg_edgediff = np.concatenate([added, removed], axis=1).reshape(-1)
            combined.scales.append(scale)
        return float(combined.score())


def _norms(values: _Picture) -> NDArray[np.float64]:
    """Return the 1-norm and the 4-norm of each channel: (3, 2) float64."""
    squares = values * values
    return np.stack([cv2.mean(values)[:3], cv2.mean(squares * squares)[:3]], axis=1) ** (1, 0.25)


def _blur(picture: _Picture) -> _Picture:
    # The package pads the two directions differently.
    across = cv2.sepFilter2D(picture, -1, _KERNEL, _IDENTITY, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.sepFilter2D(across, -1, _IDENTITY, _KERNEL, borderType=cv2.BORDER_REFLECT), np.float32)


@cache
def _linear_light() -> _Picture:
    """Return linear light, 0 to 1, of each sRGB value: (256,) float32."""
    values = np.arange(256) / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _load() -> Any:
    try:
        from ssimulacra2 import ssimulacra2
    except ImportError as error:
        raise MissingExtraError("the figure SSIMULACRA2", "bench") from error
    return ssimulacra2
