"""Quality figures of a picture against its original; the same for every competitor."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.analysis.colors import CELL
from codec.color_difference import ciede2000, to_lab
from codec.structure.contours import line_f1
from evaluation.codec.pictures import REFERENCE_CANNY, TOLERANCE

#: Canny's thresholds on measured pictures, which are softer than originals.
DRAWN_CANNY = (50, 100)

#: Stabilises the ratio of gradients where both are weak (GMSD's own value, for 0 to 255).
GMSD_C = 170.0

#: Stabilise SSIM's ratios: (0.01 * 255)^2 and (0.03 * 255)^2.
SSIM_C1, SSIM_C2 = 6.5025, 58.5225

#: SSIM's Gaussian window, in pixels: side and sigma.
WINDOW, SIGMA = 11, 1.5


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality of a picture against its original.

    Attributes:
        edge_f1: F1 of its edges within 4 pixels of the original's, 0 to 1; more is better.
        gmsd: gradient magnitude similarity deviation; less is better.
        color_difference: mean CIEDE2000 over cells of 64 pixels; less is better.
        psnr: peak signal-to-noise ratio of RGB, in dB; more is better.
        ssim: structural similarity of grey, up to 1; more is better.
    """

    edge_f1: float
    gmsd: float
    color_difference: float
    psnr: float
    ssim: float


#: Figures of which less is better.
LESS_IS_BETTER = frozenset({"gmsd", "color_difference"})


def compare(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> Quality:
    """Compare a picture with its original; both (H, W, 3) uint8 RGB of one size."""
    gray, true_gray = (np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in (drawn, original))
    lines = np.asarray(cv2.Canny(gray, *DRAWN_CANNY), np.uint8)
    true_lines = np.asarray(cv2.Canny(true_gray, *REFERENCE_CANNY), np.uint8)
    grid = (max(1, round(original.shape[1] / CELL)), max(1, round(original.shape[0] / CELL)))
    cells = [to_lab(np.asarray(cv2.resize(p, grid, interpolation=cv2.INTER_AREA), np.uint8)) for p in (drawn, original)]
    error = float(np.mean((drawn.astype(np.float64) - original) ** 2))
    return Quality(
        edge_f1=line_f1(lines, true_lines, TOLERANCE),
        gmsd=gmsd(gray, true_gray),
        color_difference=float(ciede2000(cells[0], cells[1]).mean()),
        psnr=float(10 * np.log10(255**2 / max(error, 1e-9))),
        ssim=ssim(gray, true_gray),
    )


def gmsd(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the gradient magnitude similarity deviation of two (H, W) uint8 pictures, 0 if they are equal.

    W. Xue, L. Zhang, X. Mou, A. Bovik, "Gradient Magnitude Similarity Deviation", IEEE TIP 23(2), 2014.
    """
    first, second = _gradient(drawn), _gradient(original)
    similarity = (2 * first * second + GMSD_C) / (first**2 + second**2 + GMSD_C)
    return float(similarity.std())


def _gradient(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the magnitude of Prewitt's gradient of the picture at half its size."""
    half = cv2.resize(gray.astype(np.float32), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    across = np.repeat(np.array([[1, 0, -1]], np.float32) / 3, 3, axis=0)
    return np.asarray(np.hypot(cv2.filter2D(half, -1, across), cv2.filter2D(half, -1, across.T)), np.float32)


def ssim(drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
    """Return the mean structural similarity of two (H, W) uint8 pictures.

    Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image Quality Assessment", IEEE TIP 13(4), 2004.
    """
    first, second = drawn.astype(np.float32), original.astype(np.float32)
    mean, other_mean = _window(first), _window(second)
    spread = _window(first * first) - mean * mean
    other_spread = _window(second * second) - other_mean * other_mean
    shared = _window(first * second) - mean * other_mean
    light = (2 * mean * other_mean + SSIM_C1) / (mean**2 + other_mean**2 + SSIM_C1)
    structure = (2 * shared + SSIM_C2) / (spread + other_spread + SSIM_C2)
    inner = slice(WINDOW // 2, -(WINDOW // 2))
    return float((light * structure)[inner, inner].mean())


def _window(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA), np.float32)


def mean_of(qualities: Sequence[Quality]) -> Quality:
    """Return the mean of every figure."""
    return Quality(*(float(np.mean([getattr(q, field.name) for q in qualities])) for field in fields(Quality)))


def best_of(qualities: Sequence[Quality]) -> Quality:
    """Return the best value of every figure, each from any of the pictures."""
    return Quality(
        *(
            (min if field.name in LESS_IS_BETTER else max)(getattr(q, field.name) for q in qualities)
            for field in fields(Quality)
        )
    )
