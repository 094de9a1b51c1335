"""An original, ready for comparison with many pictures."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.analysis.colors import CELL
from codec.color_difference import ciede2000, to_lab
from codec.structure.contours import line_f1
from evaluation.codec.pictures import REFERENCE_CANNY, TOLERANCE
from evaluation.quality.gradients import gmsd_of, gradient
from evaluation.quality.similarity import Similarity
from evaluation.quality.ssimulacra2 import Ssimulacra2

#: Canny's thresholds on measured pictures, which are softer than originals.
DRAWN_CANNY = (50, 100)

#: Measures a picture, given the original; both (H, W, 3) uint8 RGB.
Measure = Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]

#: Smallest mean squared error: equal pictures have a finite PSNR.
_LEAST_ERROR = 1e-9


class Reference:
    """An original and what comparisons need of it; computed once, when first needed.

    Args:
        original: (H, W, 3) uint8 RGB.
        extra: figures beyond `evaluation.quality.figures.FIGURES`, by name: functions of a picture and the original.
    """

    def __init__(self, original: NDArray[np.uint8], extra: Mapping[str, Measure] | None = None) -> None:
        self.original = original
        self._extra = extra or {}

    def measure(self, drawn: NDArray[np.uint8], figures: Sequence[str]) -> dict[str, float]:
        """Measure a picture.

        Args:
            drawn: (H, W, 3) uint8 RGB of the original's size.
            figures: names from `evaluation.quality.figures.FIGURES`, or of extra figures.

        Raises:
            MissingExtraError: a figure needs a package that is not installed.
        """
        wanted = set(figures)
        found: dict[str, float] = {}
        gray = _gray(drawn)
        if {"ssim", "ms_ssim"} <= wanted:
            found["ssim"], found["ms_ssim"] = self._similarity.both(gray)
        single: Mapping[str, Callable[[], float]] = {
            "psnr": lambda: psnr(drawn, self.original),
            "ssim": lambda: self._similarity.ssim(gray),
            "ms_ssim": lambda: self._similarity.ms_ssim(gray),
            "ms_ssim_rgb": lambda: self._color_similarity.ms_ssim(drawn),
            "gmsd": lambda: gmsd_of(gradient(gray), self._gradient),
            "ciede2000": lambda: float(ciede2000(_cells(drawn), self._cells).mean()),
            "edge_f1": lambda: line_f1(np.asarray(cv2.Canny(gray, *DRAWN_CANNY), np.uint8), self._lines, TOLERANCE),
            "ssimulacra2": lambda: self._ssimulacra2.score(drawn),
        }
        for name in figures:
            if name not in found:
                found[name] = single[name]() if name in single else self._extra[name](drawn, self.original)
        return {name: found[name] for name in figures}

    @cached_property
    def _gray(self) -> NDArray[np.uint8]:
        return _gray(self.original)

    @cached_property
    def _similarity(self) -> Similarity:
        return Similarity(self._gray)

    @cached_property
    def _color_similarity(self) -> Similarity:
        return Similarity(self.original)

    @cached_property
    def _gradient(self) -> NDArray[np.float32]:
        return gradient(self._gray)

    @cached_property
    def _cells(self) -> NDArray[np.float64]:
        return _cells(self.original)

    @cached_property
    def _lines(self) -> NDArray[np.uint8]:
        return np.asarray(cv2.Canny(self._gray, *REFERENCE_CANNY), np.uint8)

    @cached_property
    def _ssimulacra2(self) -> Ssimulacra2:
        return Ssimulacra2(self.original)


def psnr(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two pictures of one shape, uint8, in dB."""
    error = float(np.mean((drawn.astype(np.float64) - original) ** 2))
    return float(10 * np.log10(255**2 / max(error, _LEAST_ERROR)))


def _gray(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _cells(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the mean colours of cells of `CELL` pixels, in CIELAB."""
    grid = (max(1, round(picture.shape[1] / CELL)), max(1, round(picture.shape[0] / CELL)))
    return to_lab(np.asarray(cv2.resize(picture, grid, interpolation=cv2.INTER_AREA), np.uint8))
